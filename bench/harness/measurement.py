"""What a measurement is, and how it is taken: the candidates in turn, round after round, medians at the end.

The speed of a shared machine drifts by a third over minutes. So the ratio between two candidates is taken within each round, where
both met the same machine, and the median of these ratios is what the tables show.
"""

import contextlib
import dataclasses
import statistics
import sys
from typing import Callable, Optional

from .lab import Lab, Missing, Trouble


@dataclasses.dataclass(frozen=True)
class Metric:
    key: str
    label: str
    unit: str
    digits: int = 1
    more_is_better: bool = False


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Something that is measured. `prepare(lab)` gives what `round` needs to run it, or raises Missing."""

    name: str
    role: str  # "simul", "peer" or "limit"
    prepare: Callable


@dataclasses.dataclass(frozen=True)
class Floor:
    """What a figure must reach. `figure(result)` is None where its candidates are missing."""

    text: str
    figure: Callable
    limit: float
    unit: str = ""
    at_least: bool = False


@dataclasses.dataclass(frozen=True)
class Measurement:
    """`round(lab, services, candidate's preparation)` gives {case: {metric key: value}}; a case or metric may be missing."""

    name: str
    question: str
    metrics: list
    candidates: list
    round: Callable
    services: Optional[Callable] = None  # a context manager: what runs beside all candidates
    floors: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)
    targets: list = dataclasses.field(default_factory=list)  # built beside bench_programs


@dataclasses.dataclass
class FloorResult:
    floor: Floor
    figure: Optional[float]

    @property
    def kept(self):
        if self.figure is None:
            return False
        return self.figure >= self.floor.limit if self.floor.at_least else self.figure <= self.floor.limit


class Result:
    """The figures of all rounds: values[candidate][case][metric key] = one value per round."""

    def __init__(self, measurement, rounds, quick):
        self.measurement = measurement
        self.rounds = rounds
        self.quick = quick
        self.values = {}
        self.left_out = {}  # candidate: why
        self.floors = []

    @property
    def cases(self):
        return list(dict.fromkeys(case for cases in self.values.values() for case in cases))

    def base(self, case):
        """The candidate that ratios refer to: the first of simul's that has the case."""
        for candidate in self.measurement.candidates:
            if candidate.role == "simul" and case in self.values.get(candidate.name, {}):
                return candidate.name
        return None

    def of(self, candidate, case, key):
        return self.values.get(candidate, {}).get(case, {}).get(key)

    def median(self, candidate, case, key):
        values = self.of(candidate, case, key)
        return statistics.median(values) if values else None

    def ratio(self, candidate, other, case, key):
        """How many times `other`'s figure `candidate`'s is: the median over the rounds."""
        values, others = self.of(candidate, case, key), self.of(other, case, key)
        if not values or not others:
            return None
        ratios = [a / b for a, b in zip(values, others) if b > 0]
        return statistics.median(ratios) if ratios else None


def measure(measurement: Measurement, lab: Lab, rounds=None, progress=False) -> Result:
    rounds = rounds or (2 if lab.quick else 5)
    result = Result(measurement, rounds, lab.quick)
    ready = []
    for candidate in measurement.candidates:
        try:
            ready.append((candidate, candidate.prepare(lab)))
        except Missing as missing:
            result.left_out[candidate.name] = str(missing)

    with measurement.services(lab) if measurement.services else contextlib.nullcontext() as services:
        for number in range(rounds):
            for candidate, prepared in list(ready):
                if progress:
                    print(
                        f"\r\033[K{measurement.name}: round {number + 1} of {rounds}, {candidate.name}",
                        end="",
                        file=sys.stderr,
                        flush=True,
                    )
                try:
                    figures = measurement.round(lab, services, prepared)
                except Trouble as trouble:  # the others are still worth having
                    result.left_out[candidate.name] = str(trouble)
                    result.values.pop(candidate.name, None)
                    ready.remove((candidate, prepared))
                    continue
                for case, metrics in figures.items():
                    for key, value in metrics.items():
                        result.values.setdefault(candidate.name, {}).setdefault(case, {}).setdefault(
                            key, []
                        ).append(value)
    if progress:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    result.floors = [FloorResult(floor, floor.figure(result)) for floor in measurement.floors]
    return result
