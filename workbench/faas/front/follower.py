"""One who follows what happens to a function's instances as it happens."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Self

from workbench.faas.messages import Moved
from workbench.faas.running.history import as_event
from workbench.faas.running.supervisor import Supervisor

_MOST = 10_000
_BEAT_S = 15.0


class Follower:
    """Yields each change of state as InstanceEvent's fields; `{}` now and then, so that a lost reader is noticed.

    A reader that is too slow misses the oldest of 10,000 that wait, and is told how many: `{"missed": 12}`.
    """

    def __init__(self, supervisor: Supervisor, function: str) -> None:
        self._supervisor = supervisor
        self._function = function
        self._waiting: deque[Moved] = deque()
        self._missed = 0
        self._more = asyncio.Event()

    def __enter__(self) -> Self:
        self._supervisor.moved.append(self._moved)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._supervisor.moved.remove(self._moved)

    def _moved(self, move: Moved) -> None:
        if move.function.partition(":")[0] != self._function:
            return
        if len(self._waiting) == _MOST:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(move)
        self._more.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if not self._waiting:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), _BEAT_S)
            except TimeoutError:
                return {}
        if self._missed:
            missed, self._missed = self._missed, 0
            return {"missed": missed}
        return as_event(self._waiting.popleft())
