"""One timer of one instance on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from workbench.faas.messages import Event, TimerFired


class Timer:
    """One wish at a time. A wish for later than what is armed costs nothing: it is armed again when that comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wish: float | None = None
        self._armed: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float | None, instance: str, tell: Callable[[Event], None]) -> None:
        self._wish = when
        if when is not None and (self._armed is None or when < self._armed):
            self._arm(when, instance, tell)

    def _arm(self, when: float, instance: str, tell: Callable[[Event], None]) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = when
        delay = max(0.001, when - time.monotonic())
        self._handle = self._loop.call_later(delay, self._fire, instance, tell)

    def _fire(self, instance: str, tell: Callable[[Event], None]) -> None:
        self._armed = self._handle = None
        if self._wish is None:
            return
        now = time.monotonic()
        if now >= self._wish:
            tell(TimerFired(now, instance))
        else:
            self._arm(self._wish, instance, tell)

    def cancel(self) -> None:
        self._wish = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
