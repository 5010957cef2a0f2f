"""How many more samples would make an interval half as wide, judged from the samples there are.

This plans for precision, not for a winner: the chance of confirming a difference just because it was seen once
("observed power") says nothing that the interval does not say already (J. M. Hoenig and D. M. Heisey, "The abuse of
power", The American Statistician 55, 2001).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.statistics.bootstrap import Statistic, resample
from workbench.statistics.percentiles import check, ranks

MOST_TIMES = 16
"""Nothing is advised beyond sixteen times the samples there are: they cannot tell that far ahead."""

_STEP = 1.1
_CELLS = 1_000_000  # bounds the work of a resampling
_FEWEST_ROWS, _MOST_ROWS = 400, 1500


def fewest_for_interval(q: float, confidence: float = 0.95) -> int:
    """The fewest samples that bound the `q`-th percentile on both sides: 6 for the median, 72 for p95, 368 for p99.

    All n samples lie on one side of it with probability max(p, 1 − p)**n, which may be half of 1 − confidence
    (G. J. Hahn and W. Q. Meeker, Statistical Intervals, 1991, chapter 5). Raises ValueError for 0 and 100, which no
    number of samples bounds.
    """
    if not 0 < q < 100:
        raise ValueError(f"No number of samples bounds percentile {q:g}; ask for one between 0 and 100.")
    p = max(q, 100 - q) / 100
    return math.ceil(math.log((1 - confidence) / 2) / math.log(p))


def more_to_halve(samples: Sequence[float], q: float = 50, confidence: float = 0.95) -> int | None:
    """How many more samples like these would halve the order-statistic interval of their `q`-th percentile.

    Where these are too few to bound it, how many more would bound it. The interval of N samples reaches from rank l to
    rank u (see `ranks`), and on average those lie at the fractions l/(N+1) and u/(N+1) of the distribution (H. A. David
    and H. N. Nagaraja, Order Statistics, 2003, chapter 3), which is read from the samples there are. 0 for an interval
    that has no width; None where even sixteen times as many would not do, as with samples that fall into groups.
    """
    import numpy as np

    check(samples, q)
    n, ordered = len(samples), np.sort(np.asarray(samples, dtype=float))
    fewest = fewest_for_interval(q, confidence)
    if n < fewest:
        return fewest - n
    places = np.arange(1, n + 1) / (n + 1)

    def width(count: int) -> float:
        low, high = ranks(count, q, confidence)
        assert low is not None  # there are enough for both
        assert high is not None
        ends = np.interp([low / (count + 1), high / (count + 1)], places, ordered)
        return float(ends[1] - ends[0])

    wanted = width(n) / 2
    if wanted == 0:
        return 0
    return next((count - n for count in _counts(n) if width(count) <= wanted), None)


def more_of_each_to_halve(
    a: Sequence[float], b: Sequence[float], stat: Statistic = "median", *, confidence: float = 0.95, seed: int = 0
) -> int | None:
    """How many more samples of each would halve the bootstrap interval of `stat(a) / stat(b)`, on a logarithmic scale.

    Found by drawing larger and larger resamples from those there are (B. Efron and R. J. Tibshirani, An Introduction to
    the Bootstrap, 1993, chapter 25), both enlarged alike; the answer counts the larger one. 0 for an interval without
    width; None where even sixteen times as many would not do, or a resample's `stat` is not above zero.
    """
    import numpy as np

    check(a, 50)
    check(b, 50)
    larger = max(len(a), len(b))
    tail = (1 - confidence) / 2

    def width(count: int) -> float:
        logs = []
        for values, rng in zip((a, b), np.random.default_rng(seed).spawn(2), strict=True):
            size = math.ceil(len(values) * count / larger)
            found = resample(values, stat, rng, rows=max(_FEWEST_ROWS, min(_MOST_ROWS, _CELLS // size)), size=size)
            if found.min() <= 0:
                return math.nan
            logs.append(np.log(found))
        low, high = np.quantile(logs[0] - logs[1], (tail, 1 - tail))
        return float(high - low)

    wanted = width(larger) / 2
    if wanted == 0:
        return 0
    return next((count - larger for count in _counts(larger) if width(count) <= wanted), None)


def _counts(n: int) -> list[int]:
    """Ever larger numbers of samples, in steps of a few per cent."""
    steps = math.ceil(math.log(MOST_TIMES) / math.log(_STEP))
    return sorted({math.ceil(n * _STEP**k) for k in range(1, steps + 1)})
