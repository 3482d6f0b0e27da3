"""run_example.py [--expected FILE] [--sorted] [--status N] -- PROGRAM [ARG...]: does it print what it should?"""
import argparse
import difflib
import pathlib
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--expected", type=pathlib.Path)
parser.add_argument("--sorted", action="store_true")
parser.add_argument("--status", type=int, default=0)
parser.add_argument("command", nargs="+")
options = parser.parse_args()

# stdout is a pipe and the folder is a fresh one, as in a script: nothing may depend on a terminal or on a path.
with tempfile.TemporaryDirectory() as folder:
    done = subprocess.run(options.command, cwd=folder, capture_output=True, text=True, timeout=50)
failed = False
if done.returncode != options.status:
    print(f"the exit status is {done.returncode}, not {options.status}")
    failed = True
if options.expected:
    expected, printed = options.expected.read_text(), done.stdout
    if options.sorted:
        expected, printed = ("".join(sorted(text.splitlines(keepends=True))) for text in (expected, printed))
    if expected != printed:
        print("".join(difflib.unified_diff(expected.splitlines(True), printed.splitlines(True), "expected", "printed")))
        failed = True
if failed:
    print(f"stdout:\n{done.stdout}\nstderr:\n{done.stderr}")
sys.exit(failed)
