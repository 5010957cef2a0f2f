"""Which rate to try next when the highest sustainable one is searched, and what the tries so far have shown. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.experiments.flow import flow
from workbench.load import KEPT_UP_P99_MS, LoadResult
from workbench.statistics import percentile, ranks

Verdict = Literal["sustained", "missed", "unclear", "void"]

STEP = 0.25  # seconds of the steps in which the queue is looked at
TRIES_WHEN_LATE = 3


@dataclass(frozen=True)
class Trial:
    """One load at one rate. `p99_ms` and its interval count a request without a good answer as endless (None).

    `sustained` and `missed` are statements beyond the noise, `unclear` is none; `void`: the generator was late.
    """

    rate_per_s: float
    verdict: Verdict
    why: str
    requests: int
    unanswered: int
    p99_ms: float | None
    low_ms: float | None
    high_ms: float | None
    waiting: float
    lateness_p99_ms: float


def judge(result: LoadResult, rate_per_s: float, goal_ms: float, lead_s: float, duration_s: float) -> Trial:
    """What a load of `duration_s` seconds says about its rate; the requests of the first `lead_s` are warm-up."""
    taken = [i for i, at in enumerate(result.planned_s) if at >= lead_s]
    good = [result.latency_ms[i] if result.status[i] == "ok" else None for i in taken]
    ordered = sorted(math.inf if ms is None else ms for ms in good)
    lateness = [result.lateness_ms[i] for i in taken] or [0.0]
    late = percentile(lateness, 99)
    waiting = _waiting(result, duration_s)
    low, point, high = _p99(ordered)
    ends = [None if at is None or at == math.inf else at for at in (point, low, high)]
    verdict, why = _verdict(low, high, goal_ms, late, max(lateness), waiting, rate_per_s)
    return Trial(
        rate_per_s,
        verdict,
        why,
        len(taken),
        sum(ms is None for ms in good),
        ends[0],
        ends[1],
        ends[2],
        waiting,
        late,
    )


def _p99(ordered: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The p99, the order statistic next above it (some are endless), between the ends of its 95% interval."""
    if not ordered:
        return None, None, None
    low, high = ranks(len(ordered), 99)
    point = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return (None if low is None else ordered[low - 1]), point, (None if high is None else ordered[high - 1])


def _waiting(result: LoadResult, duration_s: float) -> float:
    """Requests waiting in the last quarter of the load, the mean over its steps."""
    waiting = flow(result.planned_s, result.latency_ms, result.status, duration_s, STEP).waiting
    last = waiting[-max(1, len(waiting) // 4) :]
    return sum(last) / len(last)


def _verdict(
    low: float | None,
    high: float | None,
    goal_ms: float,
    late_ms: float,
    latest_ms: float,
    waiting: float,
    rate_per_s: float,
) -> tuple[Verdict, str]:
    if low is not None and low != math.inf and low - latest_ms > goal_ms:
        return "missed", "the whole interval of the p99 is above the goal, the generator's own lateness taken off"
    if late_ms > KEPT_UP_P99_MS:
        return "void", "the generator was late, so this was not the load planned"
    if low == math.inf:
        return "missed", "more than one request in a hundred had no good answer"
    if waiting > rate_per_s * goal_ms / 1000 + 1:
        return "missed", "more were waiting at the end than a service within its goal can have waiting (Little's law)"
    if high is None:
        return "unclear", "too few requests to bound the p99 (368 are needed)"
    if high > goal_ms:
        return "unclear", "the goal lies inside the interval of the p99"
    return "sustained", "the whole interval of the p99 is within the goal, and the queue did not grow"


def bracket(trials: Sequence[Trial]) -> tuple[float | None, float | None]:
    """The highest rate sustained and the lowest one missed above it; None where there is none."""
    low = max((t.rate_per_s for t in trials if t.verdict == "sustained"), default=None)
    missed = [t.rate_per_s for t in trials if t.verdict == "missed" and t.rate_per_s > (low or 0.0)]
    return low, min(missed, default=None)


def next_rate(trials: Sequence[Trial], first: float, least: float, most: float, precision: float) -> float | None:
    """Double from `first` while sustained (halve while not), then halve the gap by its geometric mean.

    None when the rates sustained and not sustained lie within the factor 1 + `precision`, when `most` was sustained,
    or when `least` was not. A void try is repeated, TRIES_WHEN_LATE in all; then it counts as not sustained.
    """
    if trials and trials[-1].verdict == "void":
        rate = trials[-1].rate_per_s
        if sum(t.rate_per_s == rate and t.verdict == "void" for t in trials) < TRIES_WHEN_LATE:
            return rate
    low = max((t.rate_per_s for t in trials if t.verdict == "sustained"), default=None)
    above = [t.rate_per_s for t in trials if t.verdict != "sustained" and t.rate_per_s > (low or 0.0)]
    high = min(above, default=None)
    if high is None:
        return None if low is not None and low >= most else min(most, first if low is None else 2 * low)
    if low is None:
        return max(least, high / 2) if high > least else None
    return math.sqrt(low * high) if high / low > 1 + precision else None
