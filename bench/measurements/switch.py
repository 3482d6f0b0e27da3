"""`switch`: going from one coroutine to another."""

from harness.measurement import Candidate, Floor, Measurement, Metric


def compiled(program):
    return lambda lab: [lab.program(program), "--times", "500000" if lab.quick else "5000000"]


def asyncio(lab):
    return [lab.python, str(lab.bench / "peers" / "switch.py"), "20000" if lab.quick else "100000"]


measurement = Measurement(
    name="switch",
    question="What does it cost to go from one coroutine to another?",
    metrics=[
        Metric("transfer_ns", "transfer", "ns"),
        Metric("queue_ns", "queue", "ns"),
        Metric("call_ns", "call", "ns"),
    ],
    candidates=[
        Candidate("simul", "simul", compiled("switch")),
        Candidate("Boost.Asio", "peer", compiled("peers/asio_switch")),
        Candidate("asyncio", "peer", asyncio),
        Candidate("bare coroutines", "limit", compiled("limits/switch")),
    ],
    round=lambda lab, services, command: {"": lab.figures(command, cpu=lab.cpus[0])},
    floors=[Floor("symmetric switch", lambda r: r.median("simul", "", "transfer_ns"), 10, " ns")],
    notes=[
        "transfer: control handed back and forth between a task and an async generator, per hand-over (asyncio: the same; "
        "Boost.Asio has nothing of the kind; the limit: two coroutines)",
        "queue: two tasks that yield in turn, per turn (asyncio.sleep(0); asio::post)",
        "call: await of a task that completes at once: frame made, entered, finished, its result taken, destroyed; per call",
        "asyncio does 100,000 of each, the others 5,000,000; all on one core, in CPU time",
    ],
)
