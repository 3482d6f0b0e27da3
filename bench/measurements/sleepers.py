"""`sleepers`: very many tasks that wait."""

from harness.measurement import Candidate, Floor, Measurement, Metric


def compiled(program):
    return lambda lab: [lab.program(program), "--count", "100000" if lab.quick else "1000000"]


def asyncio(lab):
    return [lab.python, str(lab.bench / "peers" / "sleepers.py"), "20000" if lab.quick else "200000"]


measurement = Measurement(
    name="sleepers",
    question="What does a sleeping task cost when there are a million of them?",
    metrics=[
        Metric("bytes", "memory", "bytes", digits=0),
        Metric("start_ns", "start", "ns", digits=0),
        Metric("end_ns", "cancel and end", "ns", digits=0),
    ],
    candidates=[
        Candidate("simul", "simul", compiled("sleepers")),
        Candidate("Boost.Asio", "peer", compiled("peers/asio_sleepers")),
        Candidate("asyncio", "peer", asyncio),
        Candidate("bare coroutines", "limit", compiled("limits/sleepers")),
    ],
    round=lambda lab, services, command: {"": lab.figures(command, cpu=lab.cpus[0])},
    floors=[
        Floor("memory of a sleeping task, all in", lambda r: r.median("simul", "", "bytes"), 400, " bytes")
    ],
    notes=[
        "memory, each: what the process has in RAM when all sleep, less what it had before, by the number of tasks: frames, timers, "
        "the group's and the allocator's share",
        "start: from before the first is started until all sleep, in CPU time",
        "asyncio has 200,000 tasks, the others a million; figures are per task",
        "bare coroutines: a frame and a place in a heap of deadlines; ended by destroying the frame",
    ],
)
