"""Whether a machine became slower or faster while samples were taken in turn, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.statistics.estimate import Estimate
from workbench.statistics.percentiles import percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_FOR_DRIFT = 6
"""Below six samples the median to which a series is set in relation has no 95% interval itself."""

_MOST_POINTS = 900
"""In all: there is a slope between every two points. Of longer series the medians of blocks are taken."""

_LARGEST_EXPONENT = 700.0  # just below what a float can hold


def drift(
    series: Sequence[Sequence[float]], taken: Sequence[Sequence[float]] = (), *, confidence: float = 0.95
) -> Estimate | None:
    """How many times longer the same thing took at the end than at the beginning of `series`, with an interval.

    `series` are durations measured in turn (A B C A B C), one sequence for each thing measured; `taken` is when each
    of them was taken, in any unit of time; without it they count as evenly spaced in turn. 1.08 means 8% slower at the
    end. What drifts is taken to be the machine: every series is set in relation to its own median, then one line goes
    through the logarithms of all. Its slope and interval are Theil's and Sen's (P. K. Sen, "Estimates of the
    regression coefficient based on Kendall's tau", JASA 63, 1968, as `scipy.stats.theilslopes` computes it), which
    outliers, two modes and ties do not lead astray. The interval holds for samples that are independent but for the
    drift. None where no series has six samples, all above zero, or no time passed.
    """
    import numpy as np
    from scipy.stats import theilslopes

    usable = [
        (values, taken[place] if place < len(taken) else range(place, len(values) * len(series), len(series)))
        for place, values in enumerate(series)
        if len(values) >= FEWEST_FOR_DRIFT and min(values) > 0
    ]
    if not usable:
        return None
    points = [_points(values, at, max(FEWEST_FOR_DRIFT, _MOST_POINTS // len(usable))) for values, at in usable]
    times = np.concatenate([at for at, _ in points])
    span = float(times.max() - times.min())
    if span <= 0:
        return None
    found = theilslopes(np.concatenate([level for _, level in points]), (times - times.min()) / span, alpha=confidence)
    value, low, high = (math.exp(min(float(x), _LARGEST_EXPONENT)) for x in (found[0], found[2], found[3]))
    return Estimate(value, low, high, confidence)


def _points(values: Sequence[float], taken: Sequence[float], most: int) -> tuple[NDArray, NDArray]:  # type: ignore[type-arg]
    """Times, and the logarithm of each value over the series' median; medians of blocks where there are over `most`."""
    import numpy as np

    at, level = np.asarray(taken, dtype=float), np.log(values) - math.log(percentile(values, 50))
    if len(level) > most:
        blocks = np.array_split(np.arange(len(level)), most)
        at, level = (np.array([np.median(x[block]) for block in blocks]) for x in (at, level))
    return at, level
