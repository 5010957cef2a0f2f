"""What the generator has seen so far, request by request, and the JSON of it that LoadResult.from_json reads."""

from __future__ import annotations

from typing import Any

from workbench.load.exchange import Answer
from workbench.load.result import STATUSES, Column

_CODES = {status: code for code, status in enumerate(STATUSES)}


class Samples:
    """Every request that has ended; they end in any order and are given back in the order of their numbers."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, float, float, Answer, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, number: int, since_s: float, late_s: float, answer: Answer, group: str) -> None:
        """The request `number` has ended; its latency counts from `since_s` (monotonic seconds)."""
        self._entries.append((number, since_s, late_s, answer, group))

    def to_json(self, started_s: float) -> dict[str, Any]:
        """All of them, a list a column: times in seconds after `started_s`, latency and lateness in milliseconds."""
        instances, groups = Column(), Column()
        found: dict[str, Any] = {name: [] for name in ("planned_s", "latency_ms", "status", "lateness_ms", "cold")}
        for _, since_s, late_s, answer, group in sorted(self._entries, key=lambda entry: entry[0]):
            latency = None if answer.at_s is None else round((answer.at_s - since_s) * 1e3, 4)
            found["planned_s"].append(round(since_s - started_s, 6))
            found["latency_ms"].append(latency)
            found["status"].append(_CODES[answer.status])
            found["lateness_ms"].append(round(max(0.0, late_s) * 1e3, 4))
            found["cold"].append(int(answer.cold))
            instances.append(answer.instance)
            groups.append(group)
        return {**found, "instances": instances.to_json(), "groups": groups.to_json(), "started_s": started_s}
