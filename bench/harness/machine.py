"""What the figures were measured on and with."""

import datetime
import os
import pathlib
import platform
import re
import shutil
import subprocess


def _output(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def _field(path, name):
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _cache(lab):
    entries = {}
    for line in (lab.build_dir / "CMakeCache.txt").read_text().splitlines():
        found = re.match(r"([A-Za-z_0-9]+):[A-Z]+=(.*)", line)
        if found:
            entries[found[1]] = found[2]
    return entries


def _boost():
    header = pathlib.Path("/usr/include/boost/version.hpp")
    found = re.search(r'BOOST_LIB_VERSION "(.*)"', header.read_text()) if header.exists() else None
    return found[1].replace("_", ".") if found else None


def _versions(lab):
    node = shutil.which("node")
    redis = re.search(r"v=([0-9.]+)", _output("redis-server", "--version"))
    all_of_them = {
        "Boost": _boost(),
        "liburing": _output("pkg-config", "--modversion", "liburing") or None,
        "libcurl": _output("pkg-config", "--modversion", "libcurl") or None,
        "Python": _output(lab.python, "--version").removeprefix("Python "),
        "aiohttp": lab.python_version("aiohttp"),
        "uvloop": lab.python_version("uvloop"),
        "RQ": lab.python_version("rq"),
        "Redis": redis[1] if redis else None,
        "Node": _output(node, "--version").removeprefix("v") if node else None,
    }
    return {name: version for name, version in all_of_them.items() if version and " " not in version}


def describe(lab):
    cache = _cache(lab)
    build_type = cache.get("CMAKE_BUILD_TYPE", "")
    flags = [cache.get("CMAKE_CXX_FLAGS", ""), cache.get(f"CMAKE_CXX_FLAGS_{build_type.upper()}", "")]
    cpu = _field("/proc/cpuinfo", "model name") or platform.machine()
    virtual = "hypervisor" in _field("/proc/cpuinfo", "flags").split()
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    system = dict(re.findall(r'^(\w+)="?(.*?)"?$', pathlib.Path("/etc/os-release").read_text(), re.M))
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _output("git", "-C", str(lab.root), "describe", "--always", "--dirty"),
        "cpu": cpu,
        "cores": len(lab.cpus),
        "virtual": virtual,
        "memory_gib": round(memory),
        "kernel": platform.release(),
        "system": system.get("PRETTY_NAME", ""),
        "compiler": _output(cache.get("CMAKE_CXX_COMPILER", "c++"), "--version").splitlines()[0],
        "flags": " ".join(f for f in ["-std=c++20", *flags] if f),
        "shared_libraries": cache.get("BUILD_SHARED_LIBS", "OFF") == "ON",
        "versions": _versions(lab),
        "pinning": f"program under test on core {lab.cpus[0]}, load on core {lab.cpus[-1]}, or both on core {lab.cpus[0]} where a row says so",
        "load_average": round(os.getloadavg()[0], 2),
    }


def lines(here):
    """(what, value) for tables and text."""
    return [
        ("measured", f"{here['when']}, commit {here['commit']}"),
        (
            "machine",
            f"{here['cpu']}, {here['cores']} cores{' (virtual machine)' if here['virtual'] else ''}, {here['memory_gib']} GiB",
        ),
        ("system", f"{here['system']}, Linux {here['kernel']}"),
        (
            "compiler",
            f"{here['compiler']}; {here['flags']}; {'shared' if here['shared_libraries'] else 'static'} libraries",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in here["versions"].items())),
        ("pinning", here["pinning"]),
        ("load before", f"{here['load_average']} (one-minute average)"),
    ]


def text(here):
    told = "\n".join(f"{what:<12} {value}" for what, value in lines(here))
    if here["load_average"] > 0.5:
        told += "\nThe machine is busy with something else: do not trust these figures."
    return told
