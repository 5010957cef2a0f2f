"""Waking an event loop at a planned moment, to a fraction of the millisecond that its own timers resolve.

Both uvloop and epoll round timers to milliseconds. A warm answer takes less than one, so that rounding would be in
every latency. Linux's timerfd takes nanoseconds and wakes the loop as any readable descriptor does.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_LOOP_TIMER_S = 0.0015


class _Spec(ctypes.Structure):
    # struct itimerspec: an interval (unused, 0) and the moment, each seconds and nanoseconds.
    _fields_ = (
        ("every_s", ctypes.c_long),
        ("every_ns", ctypes.c_long),
        ("at_s", ctypes.c_long),
        ("at_ns", ctypes.c_long),
    )


class Ticker:
    """Waits until a moment of the monotonic clock, or until `wake`; for one task at a time. Close it after use."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._descriptor = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._descriptor >= 0:
            self._loop.add_reader(self._descriptor, self._expired)

    async def until(self, moment_s: float) -> None:
        """Return at `moment_s` (monotonic seconds), never before unless woken."""
        if moment_s <= time.monotonic():
            await asyncio.sleep(0)  # answers must get their turn even when the schedule is behind
            return
        self._waiter = self._loop.create_future()
        timer = None
        if self._descriptor >= 0:
            self._arm(moment_s)
        else:
            # Without timerfd: sleep to just before, then yield until the moment has come.
            timer = self._loop.call_later(max(0.0, moment_s - time.monotonic() - _LOOP_TIMER_S), self.wake)
        await self._waiter
        self._waiter = None
        if timer is not None:
            while time.monotonic() < moment_s and not timer.cancelled():
                await asyncio.sleep(0)

    def wake(self) -> None:
        """End the present wait at once."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Release the descriptor."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _arm(self, moment_s: float) -> None:
        seconds, fraction = divmod(round(moment_s * 1e9), 1_000_000_000)
        spec = _Spec(0, 0, seconds, fraction)
        if self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, ctypes.byref(spec), None) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), "timerfd_settime")

    def _expired(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:
            return  # armed anew since it fired
        self.wake()
