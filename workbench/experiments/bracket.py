"""Where an idle expiry lies, from tries that were warm or cold: the bracket, and which gap to try next.

Pure: no clock, no deployment. Every try has two times, because nobody outside sees the instance rest: it was idle for
`idle_s` at least (from its answer's arrival to the next call) and for `within_s` at most (from the first call's sending
to the second's answer, less the time in which the service's own code is known to have run).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Try:
    """One wait, planned as `gap_s`; whether the instance was gone after it: None where that could not be confirmed."""

    gap_s: float
    idle_s: float
    within_s: float
    cold: bool | None


@dataclass(frozen=True)
class Bracket:
    """The expiry is above `low_s` and not above `high_s` (None: never seen to expire).

    `varies`: an instance outlived a wait that another did not, by more than the times are uncertain. Then there is no
    one expiry: all waits up to `low_s` were warm, all from `high_s` on were cold, and both happened between.
    """

    low_s: float
    high_s: float | None
    varies: bool


def bracket(tries: Sequence[Try]) -> Bracket:
    """What the tries say so far."""
    warm = [t.idle_s for t in tries if t.cold is False]
    cold = [t for t in tries if t.cold]
    longest = max(warm, default=0.0)
    shortest = min((t.within_s for t in cold), default=None)
    if shortest is None or longest < shortest:
        return Bracket(longest, shortest, False)
    always_warm = max((idle for idle in warm if idle < min(t.idle_s for t in cold)), default=0.0)
    return Bracket(always_warm, min((t.within_s for t in cold if t.idle_s > longest), default=None), True)


def next_gap(tries: Sequence[Try], shortest_s: float, longest_s: float, resolution_s: float) -> float | None:
    """The gap to try next, None when nothing is left to find out.

    It doubles from `shortest_s` until a gap was cold and never warm, or `longest_s`; then it halves the wider of what
    is unknown: between the longest wait that was always warm and the shortest cold one, and between the longest warm
    one and the shortest that was always cold. Where the expiry is a fixed time these are the same.
    """
    if not tries:
        return shortest_s
    warm = [t.idle_s for t in tries if t.cold is False]
    cold = [t.idle_s for t in tries if t.cold]
    tried = max(t.gap_s for t in tries)
    longest_warm, shortest_cold = max(warm, default=0.0), min(cold, default=None)
    always_cold = min((idle for idle in cold if idle > longest_warm), default=None)
    if always_cold is None and tried < longest_s:
        return min(2 * tried, longest_s)
    edges = []
    if shortest_cold is not None:
        edges.append((max((idle for idle in warm if idle < shortest_cold), default=0.0), shortest_cold))
    if always_cold is not None:
        edges.append((longest_warm, always_cold))
    low, high = max(edges, key=lambda edge: edge[1] - edge[0], default=(0.0, 0.0))
    return (low + high) / 2 if high - low > resolution_s else None


def worst_s(shortest_s: float, longest_s: float, resolution_s: float) -> float:
    """An upper bound of the waiting in seconds, for a fixed expiry: all doublings, and halvings each of the longest."""
    total, gap = 0.0, shortest_s
    while gap < longest_s:
        total += gap
        gap *= 2
    halvings, width = 0, longest_s / 2
    while width > resolution_s:
        halvings, width = halvings + 1, width / 2
    return total + longest_s * (1 + halvings)
