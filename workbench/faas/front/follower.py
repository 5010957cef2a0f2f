"""One who follows what happens as it happens, at their own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

MOST = 10_000
_BEAT_S = 15.0


class Follower:
    """Yields each line that it was told; `{}` now and then, so that a lost reader is noticed.

    A reader that is too slow misses the oldest of `most` lines that wait, and is told how many: `{"missed": 12}`.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: deque[dict[str, Any]] = deque()
        self._missed = 0
        self._more = asyncio.Event()

    def tell(self, line: dict[str, Any]) -> None:
        """Have it read, in its turn."""
        if len(self._waiting) == self._most:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(line)
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            if self._missed:
                missed, self._missed = self._missed, 0
                yield {"missed": missed}
            elif self._waiting:
                yield self._waiting.popleft()
            else:
                self._more.clear()
                try:
                    await asyncio.wait_for(self._more.wait(), _BEAT_S)
                except TimeoutError:
                    yield {}
