"""What became of a load over time: requests planned, answered, refused, failed and waiting, in steps of one width.

Pure: the same reading of a load that has just ended and of one that was recorded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """Columns of equal length, one entry a step of `every_s` seconds; step k is [k, k + 1) × `every_s`.

    `planned` counts by planned send time. `answered` (well), `throttled` and `failed` count by when a request ended, or
    by its planned time where no answer tells. `waiting` is the queue: requests planned by the end of the step and not
    ended by then, wherever they wait - for an instance, in one, or on the way.
    """

    every_s: float
    planned: tuple[int, ...]
    answered: tuple[int, ...]
    throttled: tuple[int, ...]
    failed: tuple[int, ...]
    waiting: tuple[int, ...]


def flow(
    planned_s: Sequence[float],
    latency_ms: Sequence[float | None],
    status: Sequence[str],
    until_s: float,
    every_s: float = 0.25,
    timeout_s: float = math.inf,
) -> Flow:
    """Count what happened in every step from 0 to `until_s`; what ends later is in no step, but waits in those before.

    A timeout ends `timeout_s` after its planned time. What was dropped, or lost with its connection, was never waited
    for to a known end: it counts as failed where it was planned, and waits nowhere. Raises ValueError where the steps
    have no width or the columns differ in length.
    """
    if every_s <= 0 or until_s <= 0:
        raise ValueError(f"A flow of {until_s:g} s in steps of {every_s:g} s has no steps; both must be above 0.")
    steps = max(1, math.ceil(round(until_s / every_s, 9)))
    counts = {name: [0] * steps for name in ("planned", "answered", "throttled", "failed")}
    changes = [0] * (steps + 1)  # of the queue, by step
    for planned, latency, end in zip(planned_s, latency_ms, status, strict=True):
        begun, over = int(planned / every_s), _end_s(planned, latency, end, timeout_s)
        _count(counts["planned"], begun)
        _count(counts[_column(end)], int((planned if over is None else over) / every_s if over != math.inf else steps))
        if over is not None:
            changes[min(begun, steps)] += 1
            changes[steps if over == math.inf else min(int(over / every_s), steps)] -= 1
    waiting, queue = [], 0
    for change in changes[:steps]:
        queue += change
        waiting.append(queue)
    columns = {name: tuple(column) for name, column in counts.items()}
    return Flow(every_s, **columns, waiting=tuple(waiting))


def _count(column: list[int], step: int) -> None:
    if step < len(column):
        column[step] += 1


def _column(status: str) -> str:
    return {"ok": "answered", "throttled": "throttled"}.get(status, "failed")


def _end_s(planned_s: float, latency_ms: float | None, status: str, timeout_s: float) -> float | None:
    """When a request ended, in seconds from the start; None where that is not known."""
    if latency_ms is not None:
        return planned_s + latency_ms / 1000
    return planned_s + timeout_s if status == "timeout" else None
