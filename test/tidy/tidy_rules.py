"""The rules of tools/tidy must find an offender: each is given a small tree with one, and the same tree without."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

TIDY = pathlib.Path(sys.argv[1])
GOOD = {
    "include/simul/base/error.hpp": "#pragma once\n",
    "include/simul/core/task.hpp": "#pragma once\n#include <simul/base/error.hpp>\n",
    "include/simul/http/wire.hpp": "#pragma once\n#include <simul/base/error.hpp>\n",
    "src/core/task.cpp": "#include <simul/core/task.hpp>\nint f() { try { return 1; } catch (...) { throw; } }\n",
    "src/http/wire.cpp": "#include <simul/http/wire.hpp>\n",
    "docs/guide.md": "the guide\n",
    "README.md": "see docs/guide.md and tools/tidy/tidy.py\n",
}
# rule, file, what the file holds instead, a part of the complaint
BAD = [
    ("layers", "include/simul/base/error.hpp", "#pragma once\n#include <simul/core/task.hpp>\n", "base may not include core"),
    ("layers", "src/core/task.cpp", '#include "http/session.hpp"\n', "core may not include http"),
    ("layers", "src/core/task.cpp", "#include <unistd.h>\n", "no system calls"),
    ("layers", "src/core/task.cpp", "#include <openssl/ssl.h>\n", "may not include <openssl/ssl.h>"),
    ("layers", "include/simul/http/wire.hpp", "#pragma once\n#include <simul/core/task.hpp>\n", "brings core"),
    ("layers", "src/nowhere/x.cpp", "\n", "is not a layer"),
    ("markers", "src/core/task.cpp", "// FIX" + "ME later\n", "leftover marker"),
    ("markers", "src/core/task.cpp", "// TO" + "DO: later\n", "write TO" + "DO"),
    ("markers", "src/core/task.cpp", "int a;  \n", "blanks"),
    ("markers", "src/core/task.cpp", "void f() { std::cerr << 1; }\n", "prints nothing"),
    ("markers", "include/simul/core/task.hpp", "int a;\n", "#pragma once is missing"),
    ("markers", "include/simul/core/task.hpp", "#pragma once\nusing namespace std;\n", "no using namespace"),
    ("catches", "src/core/task.cpp", "void f() { try { g(); } catch (...) {} }\n\n\n\n\n", "must rethrow"),
    ("dead", "src/core/forgotten.hpp", "#pragma once\n", "nothing includes this header"),
    ("dead", "docs/forgotten.md", "nobody links here\n", "nothing names this file"),
]


def run(rule, changed):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**GOOD, **changed}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "tools/tidy").mkdir(parents=True)
        shutil.copy(TIDY, root / "tools/tidy/tidy.py")
        done = subprocess.run([sys.executable, "tools/tidy/tidy.py", rule], cwd=root, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


failed = 0
for rule in sorted({case[0] for case in BAD}):
    status, said = run(rule, {})
    if status != 0:
        print(f"{rule}: complains about a good tree:\n{said}")
        failed = 1
for rule, name, text, complaint in BAD:
    status, said = run(rule, {name: text})
    if status == 0 or complaint not in said:
        print(f"{rule}: does not say '{complaint}' about {name} with {text!r}; it said:\n{said}")
        failed = 1
sys.exit(failed)
