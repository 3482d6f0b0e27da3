#!/usr/bin/env python3
"""tools/tidy/tidy.py [RULE...]: the rules of the house that a program can check. Without a rule: all of them.

layers     counts the includes between the layers, prints the table, fails on an arrow that is not allowed
markers    leftover notes, conflict markers, output to the terminal from the library, headers without a guard
catches    lists every `catch (...)` of the library; each must rethrow, keep the exception, or say why not
dead       private headers that nothing includes; scripts, data and documents that nothing names
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What a layer may include besides itself. A new arrow here is a decision record.
ALLOWED = {"base": set()}
ALLOWED["codec"] = {"base"}
ALLOWED["core"] = {"base"}
ALLOWED["loop"] = {"base", "core"}
ALLOWED["net"] = ALLOWED["loop"] | {"loop"}
ALLOWED["threads"] = ALLOWED["loop"] | {"loop"}
ALLOWED["processes"] = ALLOWED["loop"] | {"loop", "codec"}
ALLOWED["http"] = ALLOWED["net"] | {"net", "codec"}
ALLOWED["redis"] = ALLOWED["net"] | {"net"}
ALLOWED["sqlite"] = ALLOWED["threads"] | {"threads"}
ALLOWED["jobs"] = set().union(*(ALLOWED[name] | {name} for name in ("redis", "sqlite", "processes", "http")))
ALLOWED["testing"] = set(ALLOWED)

# Protocols do no I/O: these parts of a layer see `base` and themselves only.
PROTOCOLS = {"http": "wire", "redis": "resp", "processes": "wire"}

# Third-party headers and the layers that may see them; what is not listed is free to all.
THIRD_PARTY = [
    (r"openssl/", {"net", "http", "redis", "jobs"}),
    (r"sqlite3\.h", {"sqlite"}),
    (r"simdjson", {"codec"}),
    (r"date/", {"jobs"}),
    (r"llhttp", {"http"}),
    (r"zlib\.h", {"http", "jobs"}),
    (r"spdlog|CLI/", set()),
    (r"doctest|rapidcheck", {"testing"}),
]
# core makes no system call, protocols make none: they do not even see the declarations.
SYSTEM_CALLS = re.compile(r"^(unistd|fcntl|poll|signal|pthread|sched)\.h$|^(sys|linux|netinet|arpa)/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
SOURCES = (".cpp", ".hpp", ".h", ".c", ".ipp")


def files(*folders, suffixes=SOURCES):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "build" not in path.relative_to(ROOT).parts[:1]:
                yield path


def shown(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(text):
    """Blanks comments, keeps line numbers."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"//[^\n]*|/\*.*?\*/", blank, text, flags=re.S)


def numbered(text, pattern):
    for match in re.finditer(pattern, text, flags=re.M):
        yield text.count("\n", 0, match.start()) + 1, match


def layer_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[2] if parts[:2] == ("include", "simul") else parts[1]


def protocol_part(layer, name):
    """Is `name` (a path inside the layer) a protocol: wire.hpp, wire_x.hpp or a file in the folder wire/?"""
    part = PROTOCOLS.get(layer)
    return part is not None and re.match(rf"{part}([/_.]|$)", name) is not None


def layers_behind(target, seen=None):
    """The layers that including `target` brings in."""
    seen = set() if seen is None else seen
    path = next((p for p in (ROOT / "include" / target, ROOT / "src" / target) if p.is_file()), None)
    if path is None or path in seen:
        return set()
    seen.add(path)
    found = {target.removeprefix("simul/").split("/")[0]}
    for match in INCLUDE.finditer(text_of(path)):
        found |= layers_behind(match.group(2), seen)
    return found


def check_layers():
    errors = []
    counts = {(a, b): 0 for a in ALLOWED for b in ALLOWED}
    for path in files("include/simul", "src"):
        relative = path.relative_to(ROOT / "include/simul" if "include" in path.relative_to(ROOT).parts[:1] else ROOT / "src")
        if len(relative.parts) < 2:
            continue  # simul.hpp, the header of all
        layer, inside = relative.parts[0], "/".join(relative.parts[1:])
        if layer not in ALLOWED:
            errors.append(f"{shown(path)}: '{layer}' is not a layer; the layers are {', '.join(ALLOWED)}")
            continue
        is_protocol = protocol_part(layer, inside)
        text = text_of(path)
        for line, match in numbered(text, INCLUDE.pattern):
            target = match.group(2)
            at = f"{shown(path)}:{line}"
            name = target.removeprefix("simul/")
            head, _, rest = name.partition("/")
            if (target.startswith("simul/") or match.group(1) == '"') and head in ALLOWED and rest:
                counts[layer, head] += 1
                if head != layer and head not in ALLOWED[layer]:
                    errors.append(f"{at}: {layer} may not include {head} ({target}): the arrow points upwards")
                elif is_protocol and (beyond := layers_behind(target) - {"base", layer}):
                    errors.append(f"{at}: a protocol does no I/O and rests on base only, but {target} brings {min(beyond)}")
            elif target == "simul/simul.hpp":
                errors.append(f"{at}: the library does not include the header of all")
            elif match.group(1) == "<":
                for pattern, allowed in THIRD_PARTY:
                    if re.match(pattern, target) and layer not in allowed:
                        errors.append(f"{at}: {layer} may not include <{target}>")
                if SYSTEM_CALLS.match(target) and (layer == "core" or is_protocol):
                    errors.append(f"{at}: no system calls here, so no <{target}>")
    for path in files("examples", "apps"):
        for line, match in numbered(text_of(path), INCLUDE.pattern):
            if re.match(r"simul/.*detail", match.group(2)):
                errors.append(f"{shown(path)}:{line}: programs use public headers only, not {match.group(2)}")
    width = max(map(len, ALLOWED))
    print("includes from (row) to (column)")
    print(" " * width, *(f"{name[:6]:>6}" for name in ALLOWED))
    for a in ALLOWED:
        cells = (str(counts[a, b]) if counts[a, b] else ("." if b in ALLOWED[a] or a == b else "-") for b in ALLOWED)
        print(f"{a:<{width}}", *(f"{cell:>6}" for cell in cells))
    print("(. allowed and not used, - not allowed)")
    return errors


def check_markers():
    errors = []
    note = re.compile(r"\b(FIXME|XXX|HACK|NOCOMMIT|TBD)\b")
    todo = re.compile(r"\bTODO\b(?!\((perf|limit|port|test)\): \S)")
    everywhere = ("include", "src", "apps", "examples", "bench", "test", "cmake", "tools", "docs")
    suffixes = SOURCES + (".cmake", ".txt", ".py", ".md", ".sh", "")
    for path in files(*everywhere, suffixes=suffixes):
        if path == pathlib.Path(__file__).resolve() or "data" in path.relative_to(ROOT).parts:
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            at = f"{shown(path)}:{number}"
            if note.search(line):
                errors.append(f"{at}: leftover marker: {line.strip()}")
            if todo.search(line):
                errors.append(f"{at}: write TODO(perf|limit|port|test): what, or do it: {line.strip()}")
            if re.match(r"(<{7}|>{7}) ", line):
                errors.append(f"{at}: conflict marker")
            if line != line.rstrip() and path.suffix != ".md":
                errors.append(f"{at}: blanks at the end of the line")
    for path in files("include", "src"):
        code = without_comments(text_of(path))
        for line, match in numbered(code, r"std::(cerr|cout|clog)\b(?!\.flush)|\b(printf|puts|perror)\s*\("):
            errors.append(f"{shown(path)}:{line}: the library prints nothing; use the log hook: {match.group(0)}")
        if path.suffix == ".hpp":
            if "#pragma once" not in code:
                errors.append(f"{shown(path)}: #pragma once is missing")
            for line, _ in numbered(code, r"^\s*using namespace (?!std::(literals|chrono_literals|string_view_literals))"):
                errors.append(f"{shown(path)}:{line}: no using namespace in a header")
    return errors


def check_catches():
    errors = []
    keeps = re.compile(r"\bthrow\b|current_exception|exception_ptr|unhandled_exception|abort\(|terminate\(|_exit\(|//")
    for path in files("include", "src", "apps"):
        text = text_of(path)
        lines = text.splitlines()
        for number, _ in numbered(without_comments(text), r"catch\s*\(\s*\.\.\.\s*\)"):
            around = lines[number - 1 : number + 4]
            print(f"{shown(path)}:{number}: {' '.join(line.strip() for line in around[:2])}")
            if not any(keeps.search(line) for line in around):
                errors.append(f"{shown(path)}:{number}: this catch (...) must rethrow, keep the exception, or say in a "
                              "comment why it ends here")
    return errors


def check_dead():
    errors = []
    included = set()
    for path in files("include", "src", "apps", "examples", "bench", "test"):
        for match in INCLUDE.finditer(text_of(path)):
            target = match.group(2)
            for candidate in (ROOT / "include" / target, ROOT / "src" / target, ROOT / "test" / target, path.parent / target):
                if candidate.is_file():
                    included.add(candidate.resolve())
    for path in files("src", "apps", "examples", "bench", "test", suffixes=(".hpp", ".h", ".ipp")):
        if path.resolve() not in included:
            errors.append(f"{shown(path)}: nothing includes this header")
    # Scripts, data and documents: somebody must name them, by file name or by the name without its suffix.
    words = ""
    texts = (".md", ".txt", ".cmake", ".py", ".sh", ".json", "", *SOURCES)
    named = [p for p in files(".", suffixes=texts) if ".git" not in p.relative_to(ROOT).parts]
    for path in named:
        if path.stat().st_size < 1_000_000:
            words += f"\n@@{shown(path)}\n" + text_of(path)
    for folder in ("tools", "docs", "test/data"):
        for path in sorted((ROOT / folder).rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts:
                continue
            # A folder of records or of data may be named as a whole.
            names = [path.name] + ([path.stem] if path.suffix == ".py" else []) + ([shown(path.parent)] if len(path.relative_to(ROOT).parts) > 2 else [])
            others = re.sub(rf"\n@@{re.escape(shown(path))}\n.*?(?=\n@@|\Z)", "", words, count=1, flags=re.S)
            if not any(name in others for name in names):
                errors.append(f"{shown(path)}: nothing names this file")
    return errors


RULES = {"layers": check_layers, "markers": check_markers, "catches": check_catches, "dead": check_dead}


def main(arguments):
    unknown = [name for name in arguments if name not in RULES]
    if unknown:
        print(f"tidy: no rule {unknown[0]}; the rules are {', '.join(RULES)}", file=sys.stderr)
        return 2
    failed = 0
    for name in arguments or RULES:
        errors = RULES[name]()
        for error in errors:
            print(error)
        print(f"tidy {name}: {'ok' if not errors else str(len(errors)) + ' to repair'}")
        failed += bool(errors)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
