"""What a report needs of statistics, in plain Python."""

import random
import statistics
from collections.abc import Sequence

RESAMPLES = 500


def percentile(samples: Sequence[float], q: float) -> float:
    """The q-th percentile (0 to 100) of the samples, between two of them where it falls there."""
    ordered = sorted(samples)
    place = (len(ordered) - 1) * q / 100
    below = ordered[int(place)]
    above = ordered[min(int(place) + 1, len(ordered) - 1)]
    return below + (above - below) * (place % 1)


def difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """How much longer b takes than a, by their medians: the two ends of the 95 % interval, by bootstrap.

    Both ends above 0: b is slower. Both below: a is. One on each side: these samples do not tell.
    """
    draw = random.Random(1)
    found = []
    for _ in range(RESAMPLES):
        again_a, again_b = draw.choices(a, k=len(a)), draw.choices(b, k=len(b))
        found.append(statistics.median(again_b) - statistics.median(again_a))
    return percentile(found, 2.5), percentile(found, 97.5)
