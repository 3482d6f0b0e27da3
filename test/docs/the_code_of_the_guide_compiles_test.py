"""Blocks of docs/guide that are marked ```cpp compiled are compiled, all of a chapter as one file."""

import os
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
cache = (pathlib.Path(os.environ["SIMUL_BUILD"]) / "CMakeCache.txt").read_text()


def setting(name):
    found = re.search(rf"^{name}:\w+=(.*)$", cache, re.M)
    return found.group(1) if found else ""


if setting("SIMUL_SANITIZE"):
    sys.exit(77)  # it would be the same compilation once more

bad = []
chapters = 0
for chapter in sorted((root / "docs" / "guide").glob("*.md")):
    text = chapter.read_text()
    code = ""
    for block in re.finditer(r"^```cpp compiled\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, block.start(1)) + 1
        code += f"#line {line}\n{block.group(1)}"  # with another file's name, g++ takes it for a header
    if not code:
        continue
    chapters += 1
    command = [setting("CMAKE_CXX_COMPILER"), "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    command += [f"-I{root / 'include'}", "-x", "c++", "-"]
    done = subprocess.run(command, input=code, text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        bad.append(f"{chapter.relative_to(root)} (<stdin> below):\n{done.stderr}")

print("\n".join(bad) or f"{chapters} chapter(s) compile")
sys.exit(1 if bad or chapters == 0 else 0)
