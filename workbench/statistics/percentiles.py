"""Percentiles, and the intervals in which they lie by the order of the samples alone.

Percentiles are numbered 0 to 100 and interpolate linearly between order statistics (Hyndman and Fan's type 7, numpy's
default).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def percentile(samples: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0 to 100) of `samples`; raises ValueError on no samples or a `q` outside."""
    check(samples, q)
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


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """What a table shows of `samples`, as JSON: n, min, mean, max, p50, p95, p99 and their 95% intervals."""
    check(samples, 50)
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


def check(samples: Sequence[float], q: float) -> None:
    """Raise ValueError, with what to write instead, for no samples or a `q` that is no percentile's number."""
    if len(samples) == 0:
        raise ValueError("There are no samples to summarise. Measure at least one.")
    if not 0 <= q <= 100:
        raise ValueError(f"A percentile is a number from 0 to 100, not {q}.")
    if 0 < q < 1:
        raise ValueError(f"{q} looks like a fraction; percentiles are numbered 0 to 100 here, so write {q * 100:g}.")
