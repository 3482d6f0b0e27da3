"""`gil`: what a second thread brings when the work is CPU work."""

from harness.measurement import Candidate, Measurement, Metric


def compiled(program):
    return lambda lab: [lab.program(program), "--below", "150000" if lab.quick else "1000000"]


def python(kind):
    return lambda lab: [
        lab.python,
        str(lab.bench / "peers" / "gil.py"),
        kind,
        "10000" if lab.quick else "50000",
    ]


def take(lab, services, command):
    figures = lab.figures(command)
    return {"": {**figures, "speed_up": figures["one_s"] / figures["two_s"]}}


measurement = Measurement(
    name="gil",
    question="How much faster are two pieces of CPU work on two threads than on one?",
    metrics=[
        Metric("speed_up", "speed-up", "", digits=2, more_is_better=True),
        Metric("one_s", "on one thread", "s", digits=3),
        Metric("two_s", "on two", "s", digits=3),
    ],
    candidates=[
        Candidate("simul", "simul", compiled("gil")),
        Candidate("Python threads", "peer", python("threads")),
        Candidate("Python processes", "peer", python("processes")),
        Candidate("std::thread", "limit", compiled("limits/gil")),
    ],
    round=take,
    notes=[
        "the work: count the primes below a number by trial division, twice; below 1,000,000 in C++, below 50,000 in Python, so that "
        "both take about as long. The seconds of C++ and Python are therefore not of the same work; the speed-ups compare",
        "simul: thread_pool.run on a pool of one and of two threads",
    ],
)
