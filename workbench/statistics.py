"""Percentiles with confidence intervals, and comparisons that say when a difference is only noise.

Percentiles are numbered 0 to 100 and interpolate linearly between order statistics (Hyndman and Fan's type 7, numpy's
default). numpy and scipy are imported where they are needed: importing them takes longer than all the rest of us.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Verdict = Literal["faster", "slower", "inside the noise"]

Statistic = str | float | Callable[[Sequence[float]], float]
"""`median`, `mean`, a percentile's number (95), or a function of the samples."""

RESAMPLES = 4000
"""Bootstrap resamples: the ends of a 95% interval then rest on about 100 values each."""

FEWEST_FOR_VERDICT = 6
"""Below six samples a side no 95% interval of the median exists (2 × 0.5**5 > 0.05), so no verdict is given."""

_CELLS_AT_ONCE = 4_000_000  # bounds the memory of a bootstrap over many samples


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval, in the unit of its inputs (a ratio has none)."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def percentile(samples: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0 to 100) of `samples`; raises ValueError on no samples or a `q` outside."""
    _check(samples, q)
    ordered = sorted(samples)
    position = (len(ordered) - 1) * q / 100
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    return low if low == high else low + (high - low) * (position - below)


def ranks(n: int, q: float, confidence: float = 0.95) -> tuple[int | None, int | None]:
    """The ranks (1 to `n`) of the order statistics that enclose the `q`-th percentile with this confidence.

    Exact and free of any assumption on the distribution: the number of samples below the percentile is binomial
    (n, q/100), and each end leaves out at most half of 1 − confidence. None where `n` samples cannot bound that side
    (for a 95% interval the p50 needs 6 samples, the p99 needs 368).
    """
    from scipy.stats import binom

    if n < 1:
        raise ValueError("No samples, so no interval. Measure at least one.")
    tail = (1 - confidence) / 2
    p = q / 100
    # cdf(l - 1) <= tail is P(fewer than l samples lie below): rank l is then too high only that often.
    low = int(binom.ppf(tail, n, p))
    while low > 0 and binom.cdf(low - 1, n, p) > tail:
        low -= 1
    high = int(binom.isf(tail, n, p)) + 1
    while high <= n and binom.sf(high - 1, n, p) > tail:
        high += 1
    return (low if low >= 1 else None), (high if high <= n else None)


def interval(samples: Sequence[float], q: float, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Confidence interval of the `q`-th percentile from order statistics (see `ranks`), in the samples' unit.

    None marks an end that so few samples cannot bound; it is JSON's null, and shown as "not bounded". With very few
    samples the interpolated percentile can fall beside the ranks; the interval is then widened to hold it.
    """
    point = percentile(samples, q)
    ordered = sorted(samples)
    low, high = ranks(len(ordered), q, confidence)
    return (
        None if low is None else min(ordered[low - 1], point),
        None if high is None else max(ordered[high - 1], point),
    )


def bootstrap_ratio(
    a: Sequence[float],
    b: Sequence[float],
    stat: Statistic = "median",
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """`stat(a) / stat(b)` with a percentile-bootstrap interval; raises ValueError where `stat(b)` is zero."""
    point = _statistic(stat)
    if point(b) == 0:
        raise ValueError(f"The {stat} of the second samples is zero, so there is no ratio to it.")
    resampled_a, resampled_b = _pair(a, b, stat, seed)
    usable = resampled_b != 0
    ratios = resampled_a[usable] / resampled_b[usable]
    return _estimate(point(a) / point(b), ratios, confidence)


def difference(
    a: Sequence[float],
    b: Sequence[float],
    stat: Statistic = "median",
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """`stat(a) − stat(b)` with a percentile-bootstrap interval, in the samples' unit."""
    point = _statistic(stat)
    resampled_a, resampled_b = _pair(a, b, stat, seed)
    return _estimate(point(a) - point(b), resampled_a - resampled_b, confidence)


def verdict(
    a: Sequence[float], b: Sequence[float], stat: Statistic = "median", *, confidence: float = 0.95, seed: int = 0
) -> Verdict:
    """Whether times `a` are faster or slower than times `b`, or the difference is inside the noise.

    A side is named only when the whole interval of the difference lies on it, and both have six samples or more.
    """
    if min(len(a), len(b)) < FEWEST_FOR_VERDICT:
        return "inside the noise"
    found = difference(a, b, stat, confidence=confidence, seed=seed)
    if found.high < 0:
        return "faster"
    return "slower" if found.low > 0 else "inside the noise"


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """What a table shows of `samples`, as JSON: n, min, mean, max, p50, p95, p99 and their 95% intervals."""
    _check(samples, 50)
    facts: dict[str, Any] = {
        "n": len(samples),
        "min": min(samples),
        "mean": math.fsum(samples) / len(samples),
        "max": max(samples),
    }
    for q in (50, 95, 99):
        facts[f"p{q}"] = percentile(samples, q)
        facts[f"ci95_p{q}"] = list(interval(samples, q))
    return facts


def _check(samples: Sequence[float], q: float) -> None:
    if len(samples) == 0:
        raise ValueError("There are no samples to summarise. Measure at least one.")
    if not 0 <= q <= 100:
        raise ValueError(f"A percentile is a number from 0 to 100, not {q}.")
    if 0 < q < 1:
        raise ValueError(f"{q} looks like a fraction; percentiles are numbered 0 to 100 here, so write {q * 100:g}.")


def _statistic(stat: Statistic) -> Callable[[Sequence[float]], float]:
    if callable(stat):
        return stat
    if stat == "mean":
        return lambda samples: math.fsum(samples) / len(samples)
    q = _percentile_number(stat)
    return lambda samples: percentile(samples, q)


def _percentile_number(stat: str | float) -> float:
    if stat == "median":
        return 50.0
    if isinstance(stat, str):
        try:
            return float(stat.removeprefix("p"))
        except ValueError:
            raise ValueError(f"There is no statistic {stat!r}; use median, mean, a percentile or a function.") from None
    return stat


def _pair(
    a: Sequence[float], b: Sequence[float], stat: Statistic, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    _check(a, 50)
    _check(b, 50)
    # Independent streams, so that the two resamplings stay independent even for equal sample sizes.
    first, second = np.random.default_rng(seed).spawn(2)
    return _resample(a, stat, first), _resample(b, stat, second)


def _resample(samples: Sequence[float], stat: Statistic, rng: np.random.Generator) -> NDArray[np.float64]:
    import numpy as np

    values = np.asarray(samples, dtype=np.float64)
    rows = max(1, min(RESAMPLES, _CELLS_AT_ONCE // len(values)))
    parts: list[NDArray[np.float64]] = []
    for start in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - start)
        drawn = values[rng.integers(0, len(values), size=(count, len(values)))]
        if callable(stat):
            parts.append(np.array([stat(row.tolist()) for row in drawn], dtype=np.float64))
        elif stat == "mean":
            parts.append(drawn.mean(axis=1))
        else:
            parts.append(np.percentile(drawn, _percentile_number(stat), axis=1, overwrite_input=True))
    return np.concatenate(parts)


def _estimate(value: float, resampled: NDArray[np.float64], confidence: float) -> Estimate:
    import numpy as np

    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return Estimate(value, float(low), float(high), confidence)
