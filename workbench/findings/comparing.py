"""Whether one deployment's samples differ from another's by more than the noise, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench import statistics
from workbench.findings.wording import DASH, numbers, times


@dataclass(frozen=True)
class Slower:
    """How much slower `name` is than the fastest, as a ratio of medians with its 95 % interval."""

    name: str
    ratio: float
    low: float
    high: float
    beyond_noise: bool

    @property
    def text(self) -> str:
        """`5.2× (4.9–5.6×)`."""
        return f"{times(self.ratio)} ({times(self.low)[:-1]}{DASH}{times(self.high)})"


def slower_than_fastest(samples: Mapping[str, Sequence[float]]) -> tuple[str, tuple[Slower, ...]]:
    """The name with the smallest median, and every other one against it, nearest first; unanswered ones left out."""
    answered = {name: found for name, values in samples.items() if (found := numbers(values))}
    if not answered:
        return "", ()
    medians = {name: statistics.percentile(values, 50) for name, values in answered.items()}
    fastest = min(medians, key=lambda name: medians[name])
    others = sorted((name for name in answered if name != fastest), key=lambda name: medians[name])
    return fastest, tuple(_compare(name, answered[name], answered[fastest]) for name in others)


def _compare(name: str, samples: list[float], fastest: list[float]) -> Slower:
    if statistics.percentile(fastest, 50) <= 0:  # below the clock's resolution: there is no ratio to it
        return Slower(name, 1.0, 1.0, 1.0, False)
    ratio = statistics.bootstrap_ratio(samples, fastest)
    beyond = statistics.verdict(samples, fastest) == "slower"
    return Slower(name, ratio.value, ratio.low, ratio.high, beyond)
