"""Differences and ratios of two sets of samples with bootstrap intervals, and a verdict that knows what is only noise.

The intervals are the percentile bootstrap's (B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, 1993,
chapter 13). Simulated on skewed, two-mode, rounded and heavy-tailed samples, 95% intervals of medians held the truth in
93 to 100% of cases from six samples a side (tests/unit/statistics/test_coverage.py repeats it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from workbench.statistics.estimate import Estimate
from workbench.statistics.percentiles import check, percentile

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

    check(a, 50)
    check(b, 50)
    # Independent streams, so that the two resamplings stay independent even for equal sample sizes.
    first, second = np.random.default_rng(seed).spawn(2)
    return resample(a, stat, first), resample(b, stat, second)


def resample(
    samples: Sequence[float],
    stat: Statistic,
    rng: np.random.Generator,
    *,
    rows: int = RESAMPLES,
    size: int | None = None,
) -> NDArray[np.float64]:
    """`stat` of each of `rows` resamples, drawn with replacement; of the samples' own size, or of another."""
    import numpy as np

    values = np.asarray(samples, dtype=np.float64)
    width = len(values) if size is None else size
    at_once = max(1, min(rows, _CELLS_AT_ONCE // width))
    parts: list[NDArray[np.float64]] = []
    for start in range(0, rows, at_once):
        drawn = values[rng.integers(0, len(values), size=(min(at_once, rows - start), width))]
        if callable(stat):
            parts.append(np.array([stat(row.tolist()) for row in drawn], dtype=np.float64))
        elif stat == "mean":
            parts.append(drawn.mean(axis=1))
        else:
            parts.append(_percentile_of_rows(drawn, _percentile_number(stat)))
    return np.concatenate(parts)


def _percentile_of_rows(drawn: NDArray[np.float64], q: float) -> NDArray[np.float64]:
    """As `percentile`, of each row; sorts the rows in place. Several times as fast as numpy's own for short rows."""
    drawn.sort(axis=1)
    position = (drawn.shape[1] - 1) * q / 100
    below = math.floor(position)
    above = min(below + 1, drawn.shape[1] - 1)
    low, high = drawn[:, below], drawn[:, above]
    found: NDArray[np.float64] = low + (high - low) * (position - below)
    return found


def _estimate(value: float, resampled: NDArray[np.float64], confidence: float) -> Estimate:
    import numpy as np

    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(resampled, (tail, 100 - tail))
    return Estimate(value, float(low), float(high), confidence)
