"""`echo`: the CPU time of a server for one small message there and back."""

import contextlib

from harness.lab import Trouble
from harness.measurement import Candidate, Floor, Measurement, Metric

# (case, connections, bytes, whether the load runs on the server's core)
cases = [
    ("64 connections, 64 bytes, server and load on a core each", 64, 64, False),
    ("64 connections, 512 bytes, server and load on a core each", 64, 512, False),
    ("64 connections, 64 bytes, all on one core", 64, 64, True),
    ("1 connection, 64 bytes, all on one core", 1, 64, True),
]
many = cases[0][0]
one_core = cases[2][0]


def compiled(program, **env):
    return lambda lab: ([lab.program(program)], env)


def python(*arguments):
    return lambda lab: ([lab.python_with(*arguments), str(lab.bench / "peers" / "echo.py"), *arguments], {})


@contextlib.contextmanager
def services(lab):
    lab.program("load/echo_load")
    with lab.awake():
        yield


def take(lab, _, prepared):
    command, env = prepared
    figures = {}
    with lab.server(command, cpu=lab.cpus[0], env=env) as server:
        for case, connections, size, together in cases:
            load = lab.figures(
                [
                    lab.program("load/echo_load"),
                    "--port",
                    str(server.port),
                    "--server",
                    str(server.pid),
                    "--connections",
                    str(connections),
                    "--size",
                    str(size),
                    "--warm-up-ms",
                    "50",
                    "--measure-ms",
                    "100" if lab.quick else "200",
                ],
                cpu=lab.cpus[0] if together else lab.cpus[-1],
            )
            if load["round_trips"] == 0:
                raise Trouble(f"no round trip ended in the measured time ({case}); the machine is too busy to measure")
            figures[case] = {
                "cpu_us": load["server_cpu_s"] / load["round_trips"] * 1e6,
                "rate": load["round_trips"] / load["seconds"],
            }
    return figures


def against_asio(case):
    def figure(result):
        ratios = [
            result.ratio("simul", peer, case, "cpu_us")
            for peer in ("Boost.Asio, coroutines", "Boost.Asio, callbacks")
        ]
        return max(ratios) if None not in ratios else None

    return figure


measurement = Measurement(
    name="echo",
    question="How much CPU time does a server use to send a small message back?",
    metrics=[
        Metric("cpu_us", "server CPU per round trip", "µs", digits=2),
        Metric("rate", "round trips", "1/s", digits=0, more_is_better=True),
    ],
    candidates=[
        Candidate("simul", "simul", compiled("echo")),
        Candidate("simul, epoll", "simul", compiled("echo", SIMUL_IO="epoll")),
        Candidate("Boost.Asio, coroutines", "peer", compiled("peers/asio_echo_coroutine")),
        Candidate("Boost.Asio, callbacks", "peer", compiled("peers/asio_echo_callback")),
        Candidate("asyncio", "peer", python()),
        Candidate("asyncio on uvloop", "peer", python("uvloop")),
        Candidate("bare epoll", "limit", compiled("limits/echo_epoll")),
        Candidate("bare io_uring", "limit", compiled("limits/echo_uring")),
    ],
    services=services,
    round=take,
    floors=[
        Floor(
            "CPU time per round trip at 64 connections, a core each, of Boost.Asio's better server",
            against_asio(many),
            1.0,
            " times",
        ),
        Floor(
            "CPU time per round trip at 64 connections, one core, of Boost.Asio's better server",
            against_asio(one_core),
            1.0,
            " times",
        ),
    ],
    notes=[
        "a busy loop of lowest priority (SCHED_IDLE) kept both cores from halting",
        "CPU time: user and system of the server process, from its CPU clock, before and after the measured part",
        "simul is on the backend it chooses by itself (io_uring where the kernel allows it)",
        "differences below 15 % are none",
    ],
)
