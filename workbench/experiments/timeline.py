"""Two readings of a burst: the instances over time, and the moment from which requests meet their goal."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.instance import InstanceEvent, InstanceState

READY = frozenset({InstanceState.IDLE, InstanceState.BUSY, InstanceState.FROZEN})
SHARE = 0.95
WINDOW_S = 1.0


def instances_over_time(
    events: Sequence[InstanceEvent], started_s: float, at_start: int, until_s: float
) -> list[list[float]]:
    """[[seconds since `started_s`, instances ready], ...]: one entry at 0, one at every change, one at `until_s`.

    An instance counts from when it is ready to serve until it begins to stop. `at_start` is the number at the start.
    """
    ready = {e.instance_id for e in events if e.at_s <= started_s and e.state in READY}
    ready -= {e.instance_id for e in events if e.at_s <= started_s and e.state not in READY | {InstanceState.STARTING}}
    line: list[list[float]] = [[0.0, float(at_start)]]
    for event in sorted(events, key=lambda e: e.at_s):
        at = event.at_s - started_s
        if at <= 0 or at > until_s or event.state is InstanceState.STARTING:
            continue
        before = len(ready)
        if event.state in READY:
            ready.add(event.instance_id)
        else:
            ready.discard(event.instance_id)
        if len(ready) != before:
            line.append([round(at, 4), float(len(ready))])
    line.append([until_s, line[-1][1]])
    return line


def time_to_goal(
    planned_s: Sequence[float],
    latency_ms: Sequence[float | None],
    status: Sequence[str],
    goal_ms: float,
    duration_s: float,
) -> float | None:
    """Seconds from the burst's start after which, in every window of one second, 95% of requests met `goal_ms`.

    A request without a good answer did not meet it. Windows start at each request and lie inside the burst; in a burst
    shorter than a second there is one. None when the last window still failed, or nothing was sent.
    """
    if not planned_s:
        return None
    order = sorted(range(len(planned_s)), key=lambda i: planned_s[i])
    times = [planned_s[i] for i in order]
    met = [_met(latency_ms[i], status[i], goal_ms) for i in order]
    last_start = max(duration_s - WINDOW_S, times[0])
    # The first of those planned at one moment: a window that leaves some of them out is none.
    starts = [i for i, at in enumerate(times) if at <= last_start and (i == 0 or times[i - 1] < at)]
    reached: float | None = None
    for first in reversed(starts):
        inside = [good for at, good in zip(times[first:], met[first:], strict=True) if at < times[first] + WINDOW_S]
        if sum(inside) < SHARE * len(inside):
            return reached
        reached = times[first]
    return 0.0


def _met(latency_ms: float | None, status: str, goal_ms: float) -> bool:
    return status == "ok" and latency_ms is not None and latency_ms <= goal_ms
