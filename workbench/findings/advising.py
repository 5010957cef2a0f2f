"""What more samples would bring: said where a difference is inside the noise or an interval is wide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workbench import statistics
from workbench.findings.comparing import slower_than_fastest
from workbench.findings.wording import DASH, numbers, times


def to_tell_apart(a: Sequence[float], b: Sequence[float], what: str, ratio_of: str = "their ratio") -> str:
    """What it would take to know the ratio of `a` to `b` twice as well: one sentence, empty where nothing varies.

    `what` the samples are, in the plural: cold starts. `ratio_of` names the two: the ratio of VM to container.
    """
    lacking = statistics.FEWEST_FOR_VERDICT - min(len(a), len(b))
    if lacking > 0:
        return f"Fewer than {statistics.FEWEST_FOR_VERDICT} {what} of each never tell two apart: take {lacking} more."
    if statistics.percentile(b, 50) <= 0:
        return ""
    ratio = statistics.bootstrap_ratio(a, b)
    more = statistics.more_of_each_to_halve(a, b)
    span = f"The 95 % interval of {ratio_of} is {times(ratio.low)[:-1]}{DASH}{times(ratio.high)}"
    if more is None:
        return f"{span}; how many more {what} would halve it these cannot tell, for they fall into groups."
    return f"{span}; about {about(more):,} more {what} of each would halve it." if more else ""


def told_apart_by(samples: Mapping[str, Sequence[float]], what: str) -> tuple[str, ...]:
    """The sentence about the fastest and, of those inside its noise, the one nearest to being told apart from it."""
    fastest, others = slower_than_fastest(samples)
    equal = [other.name for other in others if not other.beyond_noise]
    if not equal:
        return ()
    slower, faster = (numbers(samples[name]) for name in (equal[-1], fastest))
    sentence = to_tell_apart(slower, faster, what, f"the ratio of {equal[-1]} to {fastest}")
    return (sentence,) if sentence else ()


def to_halve(samples: Sequence[float], q: float = 50) -> str:
    """What would halve the interval of a percentile, for a list: `about 30 more`; empty where it has no width."""
    if not samples:
        return ""
    more = statistics.more_to_halve(samples, q)
    if more is None:
        return "unknown from these"
    if len(samples) < statistics.fewest_for_interval(q):
        return f"{more} more for any interval"
    return f"about {about(more):,} more" if more else ""


def about(count: int) -> int:
    """`count` rounded up to what such advice can bear: fives up to a hundred, two digits beyond."""
    if count <= 10:
        return count
    step = 5 if count <= 100 else 10 ** (len(str(count)) - 2)
    return -(-count // step) * step
