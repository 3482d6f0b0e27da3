"""The place where programs are built, started, pinned, and ended."""

import contextlib
import ctypes
import functools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """Something that the user can do something about; the message says what."""


class Missing(Exception):
    """A candidate that cannot run here; the message names what to install."""


def environment(more=None):
    """What programs see: the caller's variables less those that change what is measured, and `more`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "NODE_", "UV_", "SIMUL_", "LD_"))
    }
    return {**kept, **(more or {})}


class Lab:
    """Builds and runs programs. Everything it started has ended when it is left.

    cpus        the cores it may use: programs under test are pinned to `cpus[0]`, their load to `cpus[-1]`
    quick       measure shortly: shows that it works, not how fast
    time_limit  seconds until a program that has not ended is killed and its candidate left out
    """

    time_limit = 60

    def __init__(self, bench, build, quick):
        self.bench = bench
        self.root = bench.parent
        self.quick = quick
        self.build_dir = self.root / build
        self.cpus = sorted(os.sched_getaffinity(0))
        debian = "/usr/bin/python3"  # the one that sees Debian's python3-* packages
        self.python = debian if os.access(debian, os.X_OK) else sys.executable
        self._cleanup = contextlib.ExitStack()

    def __enter__(self):
        self.scratch = pathlib.Path(
            self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="simul-bench-"))
        )
        return self

    def __exit__(self, *error):
        return self._cleanup.__exit__(*error)

    # Building

    def build(self, targets):
        options = ["-DSIMUL_BENCH=ON", "-DSIMUL_TESTS=OFF"]
        if not (self.build_dir / "CMakeCache.txt").exists():
            options.append("-DCMAKE_BUILD_TYPE=RelWithDebInfo")
        command = [
            "tools/build",
            str(self.build_dir),
            *options,
            "--",
            "bench_programs",
            *dict.fromkeys(targets),
        ]
        done = subprocess.run(
            command,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-40:])
            raise Trouble(f"building failed: {' '.join(command)}\n{tail}")

    @functools.cached_property
    def not_built(self):
        """Programs that were left out of the build, and the Debian package that each needs."""
        listed = self.build_dir / "bench" / "missing.txt"
        lines = listed.read_text().splitlines() if listed.exists() else []
        return dict(line.split() for line in lines)

    def program(self, name):
        """The path of a measured program, as "peers/asio_echo_coroutine"."""
        path = self.build_dir / "bench" / name
        if not path.exists():
            package = self.not_built.get(name)
            raise Missing(f"install {package}" if package else f"{name} was not built")
        return str(path)

    def example(self, name):
        path = self.build_dir / "examples" / name
        if not path.is_file():
            raise Missing(f"the example {name} was not built")
        return str(path)

    # What the machine offers

    def command(self, name, package):
        path = shutil.which(name, path="/usr/bin:/usr/local/bin:" + os.environ.get("PATH", ""))
        if path is None:
            raise Missing(f"install {package}")
        return path

    @functools.lru_cache(maxsize=None)
    def python_version(self, module):
        """The version of a Python module, or None where there is none."""
        code = f"import {module}; print(getattr({module}, '__version__', None) or {module}.VERSION)"
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def python_with(self, *modules):
        """The Python interpreter, if it has these modules."""
        for module in modules:
            if self.python_version(module) is None:
                raise Missing(f"install python3-{module}")
        return self.python

    # Running

    def _started(self, cpu):
        """What a child does before exec: it is pinned, and ends when this program ends."""
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})

    def run(self, command, cpu=None, env=None, what="a program"):
        """Runs a program to its end and returns what it printed."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(env),
            preexec_fn=functools.partial(self._started, cpu),
        )
        try:
            out, err = process.communicate(timeout=self.time_limit)
        except BaseException as error:
            process.kill()
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise Trouble(f"{command[0]} has not ended after {self.time_limit} s") from None
            raise
        if process.returncode != 0:
            raise Trouble(f"{' '.join(command)} ended with status {process.returncode}: {err.strip()[-500:]}")
        return out

    def figures(self, command, cpu=None, env=None):
        """Runs a program whose last line is a JSON object of figures."""
        return json.loads(self.run(command, cpu, env).splitlines()[-1])

    @contextlib.contextmanager
    def launched(self, command, env=None):
        """Starts a program by `load/launch`, which tells what it used. What is left of it is killed when the block is left."""
        with tempfile.TemporaryFile(dir=self.scratch) as report:
            fd = report.fileno()
            process = subprocess.Popen(
                [self.program("load/launch"), str(fd), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[fd],
                start_new_session=True,
                env=environment(env),
                preexec_fn=functools.partial(self._started, None),
            )
            try:
                yield Launched(command, process, report, self.time_limit)
            finally:
                if process.returncode is None:
                    os.killpg(
                        process.pid, signal.SIGKILL
                    )  # its own session: `launch` and all that came from it
                    process.communicate()

    @contextlib.contextmanager
    def server(self, command, cpu=None, env=None):
        """Starts a server that prints "port N"; gives the process with `.port`. It is ended when the block is left."""
        errors = open(self.scratch / "server.log", "w+b")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(env),
            preexec_fn=functools.partial(self._started, cpu),
        )
        try:
            line = process.stdout.readline().split()
            if len(line) != 2 or line[0] != "port":
                errors.seek(0)
                raise Trouble(
                    f"{' '.join(command)} did not start: {errors.read().decode(errors='replace').strip()[-500:]}"
                )
            process.port = int(line[1])
            yield process
        finally:
            end(process)
            process.stdout.close()
            errors.close()

    @contextlib.contextmanager
    def background(self, command):
        """A program that runs while the block does."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=environment(),
            preexec_fn=functools.partial(self._started, None),
        )
        try:
            yield process
        finally:
            end(process)

    def await_socket(self, path, seconds=5):
        """Waits until a server answers on a Unix socket."""
        deadline = time.monotonic() + seconds
        while True:
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(path) == 0:
                    return
            if time.monotonic() > deadline:
                raise Trouble(f"nothing has answered on {path} for {seconds} s")
            time.sleep(0.01)

    @contextlib.contextmanager
    def awake(self):
        """Keeps the cores from halting: a busy loop of lowest priority on each (guide: measuring on a virtual machine)."""
        with contextlib.ExitStack() as stack:
            for cpu in {self.cpus[0], self.cpus[-1]}:
                stack.enter_context(self.background([self.program("load/awake"), str(cpu)]))
            yield


class Launched:
    """A program that runs under `load/launch`."""

    def __init__(self, command, process, report, time_limit):
        self.command = " ".join(command)
        self.process = process
        self.report = report
        self.time_limit = time_limit

    def wait(self, good=(0,)):
        """Waits for its end: (what it printed, {"wall_s", "cpu_s", "peak_kib"})."""
        try:
            out, err = self.process.communicate(timeout=self.time_limit)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.command} has not ended after {self.time_limit} s") from None
        if self.process.returncode not in good:
            raise Trouble(f"{self.command} ended with status {self.process.returncode}: {err.strip()[-500:]}")
        self.report.seek(0)
        return out, json.loads(self.report.read())

    def stop(self):
        """Asks it to end (SIGTERM) and waits: what wait() gives."""
        os.killpg(self.process.pid, signal.SIGTERM)
        return self.wait(good=(0, 128 + signal.SIGTERM))


def end(process):
    """Ends a process of ours: asks, waits, kills."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
