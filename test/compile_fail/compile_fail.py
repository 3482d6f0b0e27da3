"""compile_fail.py COMPILER-ID FILE COMPILER [FLAG...]: the good half compiles, the bad half says why it does not."""
import re
import subprocess
import sys

compiler_id, source, *command = sys.argv[1:]


def compile_it(*more):
    return subprocess.run([*command, *more, source], capture_output=True, text=True)


expected = []
with open(source, encoding="utf-8") as lines:
    for line in lines:
        if match := re.match(r"\s*// expect(?:\((\w+)\))?: (.+?)\s*$", line):
            if match.group(1) in (None, compiler_id):
                expected.append(match.group(2))
if not expected:
    sys.exit(f"{source}: no line '// expect: REGEX' for {compiler_id}; a message that nobody checks helps nobody")

good = compile_it()
if good.returncode != 0:
    sys.exit(f"{source}: the good half does not compile:\n{good.stderr}")
bad = compile_it("-DSIMUL_BAD")
if bad.returncode == 0:
    sys.exit(f"{source}: the bad half compiles")
missing = [regex for regex in expected if not re.search(regex, bad.stderr)]
if missing:
    sys.exit(f"{source}: the message does not match {missing!r}; it is:\n{bad.stderr}")
print("\n".join(line for line in bad.stderr.splitlines() if "error" in line))
