"""What an open and a closed loop have in common: a beginning, progress, an end in any case, and a result."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from workbench.invocation import Target
from workbench.load.exchange import Balancer, session
from workbench.load.samples import Samples
from workbench.load.spec import ClosedSpec, LoadSpec

_LEAD_S = 0.02  # between saying "started" and the first request
_PROGRESS_S = 0.25

Emit = Callable[[dict[str, Any]], None]


class Generator(ABC):
    """One load in the running event loop: `run` it once; `stop` and `retarget` at any time."""

    def __init__(self, spec: LoadSpec | ClosedSpec, emit: Emit) -> None:
        self._emit = emit
        self._timeout_s, self._bound_s = spec.timeout_s, spec.bound_s
        self._balancer = Balancer(spec.targets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._samples = Samples(spec.warmup if isinstance(spec, LoadSpec) else 0)
        self._next = 0
        self._stopped = False
        self._start_s = 0.0

    def retarget(self, targets: Sequence[Target]) -> None:
        """Send what is still to come to `targets`."""
        self._balancer.replace(targets)

    def stop(self) -> None:
        """Send no more, give up what waits, and let `run` return what there is."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()

    async def run(self) -> dict[str, Any]:
        """Send everything; returns the result's JSON, in the shape LoadResult.from_json reads."""
        progress = asyncio.create_task(self._tell_progress())
        # Every request has a time limit of its own. This one is for what nobody thought of.
        bound = asyncio.get_running_loop().call_later(_LEAD_S + self._bound_s, self.stop)
        try:
            async with session(self._timeout_s) as client:
                self._start_s = time.monotonic() + _LEAD_S
                self._emit({"started_s": self._start_s})
                await self._send_all(client)
                if self._tasks:
                    await asyncio.wait(self._tasks)
        finally:
            bound.cancel()
            progress.cancel()
        return {**self._samples.to_json(self._start_s), **self._verdict()}

    @abstractmethod
    async def _send_all(self, client: aiohttp.ClientSession) -> None:
        """Send until there is nothing more to send or `stop` was called; may leave tasks that wait for answers."""

    @abstractmethod
    def _verdict(self) -> dict[str, Any]:
        """What the result says beside its samples."""

    def _begin(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            elapsed = max(0.0, time.monotonic() - self._start_s)
            self._emit({"progress": {"t_s": round(elapsed, 3), "due": self._next, **self._samples.so_far()}})
