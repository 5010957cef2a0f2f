"""How measurements lie: the arithmetic truth about a stall, figures beside one another, and what sways them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench import statistics
from workbench.labs.panel import Panel, duration, table
from workbench.load import Schedule
from workbench.records import Measurement

MULTIPLES = ("about the same", "up to 2 times", "2 to 5 times", "more than 5 times")
SHARES_NEAR = ("hardly any", "about a quarter", "about half", "most of them")
VERDICTS = ("faster", "inside the noise", "slower")

_NEAR = 1.25


def stall_waits(schedule: Schedule, begins_s: float, stall_s: float) -> tuple[float, ...]:
    """What each request of `schedule` must wait, in ms, for a server that stands still from `begins_s` for `stall_s`.

    Arithmetic alone, and a lower bound: one that comes t seconds into the stall waits stall_s − t, any other not at
    all. What the server then needs for its answers, and for the queue that has formed, is not in it.
    """
    ends = begins_s + stall_s
    return tuple((ends - at) * 1000 if begins_s <= at < ends else 0.0 for at in schedule.planned_s)


def mean(samples: Sequence[float]) -> float:
    """The arithmetic mean; raises ValueError when there are no samples."""
    if not samples:
        raise ValueError("There are no samples to take the mean of. Measure at least one.")
    return math.fsum(samples) / len(samples)


def figures(ways: Mapping[str, Sequence[float]]) -> Panel:
    """The usual figures of several sets of samples in ms beside one another, a row each; a set may be empty."""
    rows = []
    for name, ms in ways.items():
        found = [statistics.percentile(ms, q) for q in (50, 90, 99)] if ms else []
        values = [*found, mean(ms), max(ms)] if ms else []
        rows.append([name, f"{len(ms):,}", *(duration(v) if v else "0" for v in values), *["–"] * (5 - len(values))])
    html, text = table(["", "requests", "p50", "p90", "p99", "mean", "slowest"], rows)
    return Panel("The same thing, measured", html, text)


def near(samples: Sequence[float], value: float) -> int:
    """How many samples lie within a quarter of `value`."""
    return sum(value / _NEAR <= ms <= value * _NEAR for ms in samples)


def share_near(samples: Sequence[float], value: float) -> str:
    """The share of samples within a quarter of `value`, in words of SHARES_NEAR."""
    part = near(samples, value) / len(samples)
    return SHARES_NEAR[0 if part < 0.125 else 1 if part < 0.375 else 2 if part < 0.625 else 3]


def multiple(larger: float, smaller: float) -> str:
    """How many times `larger` is `smaller`, in words of MULTIPLES; less than a tenth more is about the same."""
    ratio = larger / smaller
    return MULTIPLES[0 if ratio < 1.1 else 1 if ratio <= 2 else 2 if ratio <= 5 else 3]


def longer_and_longer(samples: Sequence[float], counts: Sequence[int] = (5, 10, 20, 50, 100)) -> Panel:
    """The mean in ms of the first so many samples, and of the same without the very first."""
    rows = [
        [f"first {n}", duration(mean(samples[:n])), duration(mean(samples[1:n]))]
        for n in counts
        if 2 <= n <= len(samples)
    ]
    html, text = table(["requests", "mean of all", "mean without the first"], rows)
    return Panel("The longer you measure", html, text)


def told_apart(measured: Sequence[Measurement]) -> str:
    """What the medians say of the second of two measurements against the first, a word of VERDICTS."""
    first, second = measured
    return statistics.verdict(second.samples, first.samples)


def compared(ways: Mapping[str, Sequence[Measurement]]) -> Panel:
    """Two measurements a row: the second's median over the first's with its 95 % interval, and the verdict."""
    rows = []
    for name, measured in ways.items():
        first, second = measured
        ratio = statistics.bootstrap_ratio(second.samples, first.samples)
        called = f"{second.deployment} is {told_apart(measured)}"
        verdict = called.replace(f"{second.deployment} is inside", "inside")
        rows.append([name, f"{ratio.value:.2f}", f"{ratio.low:.2f} to {ratio.high:.2f}", verdict])
    html, text = table(["order", "ratio of the medians", "95 % interval", "so it seems"], rows)
    return Panel("Two of the same service, compared", html, text)
