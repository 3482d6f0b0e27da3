"""`http-client`: many small GETs from one program."""

import contextlib
import json

from harness.lab import Trouble
from harness.measurement import Candidate, Floor, Measurement, Metric

# (case, requests in flight, whether the server runs on the client's core)
cases = [
    ("64 in flight, client and server on a core each", 64, False),
    ("1 in flight, client and server on a core each", 1, False),
    ("1 in flight, all on one core", 1, True),
]
many = cases[0][0]


def compiled(program, **env):
    """A program for one case: it is started for each."""

    def prepare(lab):
        path = lab.program(program)

        def run(measure_ms, ports):
            return [
                lab.figures(
                    [
                        path,
                        "--port",
                        ports[together],
                        "--in-flight",
                        str(in_flight),
                        "--warm-up-ms",
                        "50",
                        "--measure-ms",
                        measure_ms,
                    ],
                    cpu=lab.cpus[0],
                    env=env,
                )
                for _, in_flight, together in cases
            ]

        return run

    return prepare


def interpreted(find, script, *how):
    """A program that takes all cases in one go: its start and its compiler's warm-up take long."""

    def prepare(lab):
        start = [find(lab), str(lab.bench / "peers" / script), *how]

        def run(measure_ms, ports):
            out = lab.run(
                [*start, measure_ms, *[f"{ports[together]}:{in_flight}" for _, in_flight, together in cases]],
                cpu=lab.cpus[0],
            )
            return [json.loads(line) for line in out.splitlines()]

        return run

    return prepare


def aiohttp(loop):
    modules = ["aiohttp", "uvloop"] if loop == "uvloop" else ["aiohttp"]
    return interpreted(lambda lab: lab.python_with(*modules), "http_client.py", loop)


def node(how):
    return interpreted(lambda lab: lab.command("node", "nodejs"), "http_client.mjs", how)


@contextlib.contextmanager
def services(lab):
    command = [lab.program("limits/http_server")]
    with lab.awake(), lab.server(command, cpu=lab.cpus[-1]) as apart, lab.server(
        command, cpu=lab.cpus[0]
    ) as together:
        yield {False: str(apart.port), True: str(together.port)}


def take(lab, ports, run):
    figures = {}
    for (case, _, _), got in zip(cases, run("100" if lab.quick else "250", ports)):
        if got["requests"] == 0:
            raise Trouble(f"no request ended in the measured time ({case}); the machine is too busy to measure")
        figures[case] = {
            "rate": got["requests"] / got["seconds"],
            "cpu_us": got["cpu_s"] / got["requests"] * 1e6,
        }
    return figures


measurement = Measurement(
    name="http-client",
    question="How many GETs of 1 KiB does a client do in a second, and with how much CPU time each?",
    metrics=[
        Metric("rate", "requests", "1/s", digits=0, more_is_better=True),
        Metric("cpu_us", "client CPU per request", "µs", digits=1),
    ],
    candidates=[
        Candidate("simul", "simul", compiled("http_client")),
        Candidate("simul, epoll", "simul", compiled("http_client", SIMUL_IO="epoll")),
        Candidate("aiohttp", "peer", aiohttp("asyncio")),
        Candidate("aiohttp on uvloop", "peer", aiohttp("uvloop")),
        Candidate("Node fetch", "peer", node("fetch")),
        Candidate("Node http", "peer", node("http")),
        Candidate("libcurl multi", "peer", compiled("peers/http_client_curl")),
        Candidate("bare epoll", "limit", compiled("limits/http_client")),
    ],
    services=services,
    round=take,
    floors=[
        Floor(
            "GETs at 64 in flight, rate, of aiohttp's",
            lambda r: r.ratio("simul", "aiohttp", many, "rate"),
            10,
            " times",
            at_least=True,
        )
    ],
    notes=[
        "the server is limits/http_server.c, which does as little as it can; HTTP/1.1, connections are kept, no TLS",
        "a busy loop of lowest priority (SCHED_IDLE) kept both cores from halting",
        "the bare client reads no header but Content-Length; simul and the peers parse, check and pool as they always do",
    ],
)
