"""What came back of a load, one entry a request, in the order planned."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from workbench.errors import WorkbenchError
from workbench.statistics import percentile

Status = Literal["ok", "throttled", "error", "timeout", "dropped"]

Loop = Literal["open", "closed"]

STATUSES: tuple[Status, ...] = ("ok", "throttled", "error", "timeout", "dropped")

_LOOPS: dict[str, Loop] = {"open": "open", "closed": "closed"}

KEPT_UP_P99_MS = 10.0
"""The generator kept up when 99% of its requests left within 10 ms of their planned time: a choice of ours, well below
the latencies that a late start could be mistaken for, and above what timers on a busy machine cause by themselves."""


@dataclass(frozen=True)
class LoadResult:
    """Every request that was due: times in seconds from the start, latencies and lateness in milliseconds.

    `latency_ms` counts from the *planned* send time and is None where no answer came (timeout, dropped, broken
    connection). `status`: `ok`; `throttled` (HTTP 429); `error` (4xx, 5xx, the handler raised, or the connection
    broke); `timeout`; `dropped` (due while the most connections allowed were all busy, so never sent). `instances` and
    `cold` are what answers said of themselves. `started_s` is the start on this machine's monotonic clock.
    `complete` is False when the load was stopped: requests that then had no answer yet are left out.

    Of a closed loop (`loop`) there is no plan: `planned_s` and `latency_ms` count from the *real* send time, as naive
    tools count, so the result omits what users would have waited for while the server stalled; lateness means nothing.

    `warmup` holds what was sent as warm-up, in the same shape; the rest of this result is without it.
    """

    planned_s: tuple[float, ...]
    latency_ms: tuple[float | None, ...]
    status: tuple[Status, ...]
    instances: tuple[str, ...]
    groups: tuple[str, ...]
    cold: tuple[bool, ...]
    lateness_ms: tuple[float, ...]
    started_s: float
    complete: bool = True
    loop: Loop = "open"
    warmup: LoadResult | None = None

    @property
    def counts(self) -> dict[Status, int]:
        """How many requests ended in each status, those that occurred."""
        found = Counter(self.status)
        return {status: found[status] for status in STATUSES if found[status]}

    @property
    def ok_ms(self) -> tuple[float, ...]:
        """Latencies of the requests that were answered well, in the order planned."""
        return tuple(
            latency
            for latency, status in zip(self.latency_ms, self.status, strict=True)
            if status == "ok" and latency is not None
        )

    @property
    def lateness_p99_ms(self) -> float:
        """How late the generator itself was, in 99 of 100 requests at most."""
        return percentile(self.lateness_ms, 99) if self.lateness_ms else 0.0

    @property
    def kept_up(self) -> bool:
        """Whether the load offered was the load planned: see KEPT_UP_P99_MS. Drops are counted apart.

        A closed loop plans nothing, so it keeps up with nothing: True, and not told in `summary`.
        """
        return self.lateness_p99_ms <= KEPT_UP_P99_MS

    def summary(self) -> dict[str, Any]:
        """The JSON of `workbench load`; `errors` is every request without a good answer, percentiles are of good ones.

        Percentiles are None where no request was answered well. `sent` leaves out what was dropped. Lateness and
        keeping up are None of a closed loop.
        """
        planned = self.loop == "open"
        good = self.ok_ms
        counts = self.counts
        return {
            "loop": self.loop,
            "sent": len(self.status) - counts.get("dropped", 0),
            "ok": len(good),
            "errors": len(self.status) - len(good),
            **{f"p{q}_ms": round(percentile(good, q), 3) if good else None for q in (50, 95, 99)},
            "lateness_p99_ms": round(self.lateness_p99_ms, 3) if planned else None,
            "kept_up": self.kept_up if planned else None,
            "counts": counts,
            "complete": self.complete,
            "warmup": self.warmup.summary() if self.warmup is not None else None,
        }

    def _part(self, part: slice) -> LoadResult:
        return replace(
            self,
            planned_s=self.planned_s[part],
            latency_ms=self.latency_ms[part],
            status=self.status[part],
            instances=self.instances[part],
            groups=self.groups[part],
            cold=self.cold[part],
            lateness_ms=self.lateness_ms[part],
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoadResult:
        """Read the generator's last line; raises WorkbenchError when it is not one."""
        try:
            whole = cls(
                tuple(data["planned_s"]),
                tuple(data["latency_ms"]),
                tuple(STATUSES[code] for code in data["status"]),
                _named(data["instances"]),
                _named(data["groups"]),
                tuple(bool(flag) for flag in data["cold"]),
                tuple(data["lateness_ms"]),
                float(data["started_s"]),
                data["complete"] is True,
                _LOOPS[data["loop"]],
            )
            warm = int(data["warmup"])
            return replace(whole._part(slice(warm, None)), warmup=whole._part(slice(warm))) if warm else whole
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise WorkbenchError(f"The load generator's result is garbled: {error!r}.") from error


class Column:
    """A column of few different names, written as a table of them and an index into it for each request."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._entries = array("L")

    def append(self, name: str) -> None:
        """Add the next request's name."""
        self._entries.append(self._codes.setdefault(name, len(self._codes)))

    def to_json(self, order: Iterable[int]) -> dict[str, Any]:
        """The table, and the indices of those requests that `order` names by their place, in that order."""
        return {"names": list(self._codes), "of": [self._entries[place] for place in order]}


def _named(column: Mapping[str, Any]) -> tuple[str, ...]:
    names = cast(Sequence[str], column["names"])
    return tuple(names[code] for code in column["of"])
