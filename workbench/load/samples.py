"""What the generator has seen so far, request by request, and the JSON of it that LoadResult.from_json reads."""

from __future__ import annotations

import math
from array import array
from typing import Any

from workbench.load.exchange import Answer
from workbench.load.live import LiveLatencies
from workbench.load.result import STATUSES, Column

_CODES = {status: code for code, status in enumerate(STATUSES)}


class Samples:
    """Every request that has ended, in plain columns of numbers: small, and nothing for a garbage collector to walk.

    They end in any order and are given back in the order of their numbers. The live percentiles and errors leave out
    the first `warmup` numbers.
    """

    def __init__(self, warmup: int = 0) -> None:
        self._warmup = warmup
        self._live = LiveLatencies()
        self._errors = 0
        self._numbers = array("L")
        self._since_s, self._latency_s, self._late_s = array("d"), array("d"), array("d")
        self._status, self._cold = array("B"), array("B")
        self._instances, self._groups = Column(), Column()

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, since_s: float, late_s: float, answer: Answer, group: str) -> None:
        """The request `number` has ended; its latency counts from `since_s` (monotonic seconds)."""
        latency_s = math.nan if answer.at_s is None else answer.at_s - since_s
        self._numbers.append(number)
        self._since_s.append(since_s)
        self._latency_s.append(latency_s)
        self._late_s.append(late_s)
        self._status.append(_CODES[answer.status])
        self._cold.append(answer.cold)
        self._instances.append(answer.instance)
        self._groups.append(group)
        if number < self._warmup:
            return
        if answer.status == "ok":
            self._live.add(latency_s)
        else:
            self._errors += 1

    def so_far(self) -> dict[str, Any]:
        """What may be told while it runs: how many have ended and ended well, and the percentiles of those."""
        percentiles = {f"p{q}_ms": self._live.percentile_ms(q) for q in (50, 99)}
        return {"ended": len(self), "ok": self._live.count, "errors": self._errors, **percentiles}

    def to_json(self, started_s: float) -> dict[str, Any]:
        """All of them, a list a column: times in seconds after `started_s`, latency and lateness in milliseconds."""
        order = sorted(range(len(self)), key=self._numbers.__getitem__)
        latency_ms = [round(self._latency_s[k] * 1e3, 4) for k in order]
        return {
            "planned_s": [round(self._since_s[k] - started_s, 6) for k in order],
            "latency_ms": [None if math.isnan(latency) else latency for latency in latency_ms],
            "status": [self._status[k] for k in order],
            "lateness_ms": [round(max(0.0, self._late_s[k]) * 1e3, 4) for k in order],
            "cold": [self._cold[k] for k in order],
            "instances": self._instances.to_json(order),
            "groups": self._groups.to_json(order),
            "started_s": started_s,
            "warmup": sum(number < self._warmup for number in self._numbers),
        }
