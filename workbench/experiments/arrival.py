"""From a cause to the handler: how long each way to invoke takes, and whether the sender waited for the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import DeploymentError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile

EXPERIMENT = "arrival"
_WITHIN_S = 60.0
_PAUSE_S = 0.01

Cause = Callable[[str], Any]
"""Makes one order come, by its name; it returns when whoever caused it may go on."""

Heard = Callable[[], Mapping[str, tuple[float, float]]]
"""When the handler began and ended with each order so far, by its name, in seconds since the epoch."""


@dataclass
class _Way:
    name: str
    cause: Cause
    first_ms: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    waited: list[bool] = field(default_factory=list)


def arrival(
    causes: Mapping[str, Cause], heard: Heard, *, samples: int = 10, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Milliseconds from just before each cause to the handler's first line, `samples` of each way, the ways in turn.

    One before them is a warm-up. Detail: waited (whether the cause returned only after the handler had ended, for each
    sample), p50_ms. Raises DeploymentError when an order does not come within a minute, and Interrupted.
    """
    tell = progress or silent
    ways = [_Way(name, cause) for name, cause in causes.items()]
    began = time.monotonic()

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(_measurement(way, complete) for way in ways)

    with keeping(lambda: so_far(False)):
        for turn in range(samples + 1):
            for place, way in enumerate(ways):
                tell("one order each way", turn * len(ways) + place, (samples + 1) * len(ways))
                at_s = time.monotonic() - began
                ms, waited = _once(way, f"{way.name}-{turn}", heard)
                if not turn:
                    way.first_ms.append(ms)
                    continue
                way.at_s.append(at_s)
                way.ms.append(ms)
                way.waited.append(waited)
        tell("one order each way", (samples + 1) * len(ways), (samples + 1) * len(ways))
    return so_far(True)


def _once(way: _Way, order: str, heard: Heard) -> tuple[float, bool]:
    sent_s = time.time()
    way.cause(order)
    returned_s = time.time()
    deadline = time.monotonic() + _WITHIN_S
    while (found := heard().get(order)) is None:
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"{order!r} has not come to the handler within {_WITHIN_S:g} s. Look at its log, and whether "
                "its event source is enabled."
            )
        time.sleep(_PAUSE_S)
    handler_began_s, handler_ended_s = found
    return (handler_began_s - sent_s) * 1000, returned_s >= handler_ended_s


def _measurement(way: _Way, complete: bool) -> Measurement:
    count = min(len(way.ms), len(way.waited))
    ms = tuple(way.ms[:count])
    detail = {"waited": way.waited[:count], "p50_ms": percentile(ms, 50) if ms else None}
    how = f"{count} orders each way, the ways in turn, from just before the cause to the handler's first line"
    return Measurement(
        EXPERIMENT,
        way.name,
        "",
        "ms",
        ms,
        Provenance("measured", how),
        warmups=tuple(way.first_ms),
        detail=detail,
        complete=complete,
        taken_s=tuple(way.at_s[:count]),
    )
