"""The open loop: requests leave when planned, whatever the answers do.

A closed loop waits for an answer before it sends the next request, so a server that stalls is asked less just then and
the stall is seen by one request only ("coordinated omission"). Here the plan is fixed and latency counts from the
planned moment, so a stall is seen by every request that was due in it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from workbench.load.exchange import Answer, Slot, exchange
from workbench.load.generator import Emit, Generator
from workbench.load.spec import LoadSpec
from workbench.load.ticker import Ticker


class OpenLoop(Generator):
    """Sends each request of a LoadSpec when it is due."""

    def __init__(self, spec: LoadSpec, emit: Emit) -> None:
        super().__init__(spec, emit)
        self._spec = spec
        self._ticker: Ticker | None = None

    def stop(self) -> None:
        """As every generator's, and at once, not when the next request is due."""
        super().stop()
        if self._ticker is not None:
            self._ticker.wake()

    async def _send_all(self, client: aiohttp.ClientSession) -> None:
        planned, start = self._spec.planned_s, self._start_s
        self._ticker = Ticker()
        try:
            while self._next < len(planned) and not self._stopped:
                await self._ticker.until(start + planned[self._next])
                now = time.monotonic() - start
                while self._next < len(planned) and planned[self._next] <= now and not self._stopped:
                    self._launch(client, self._next)
                    self._next += 1
        finally:
            self._ticker.close()

    def _launch(self, client: aiohttp.ClientSession, number: int) -> None:
        slot = self._balancer.choose()
        if len(self._tasks) < self._spec.max_connections:
            self._begin(asyncio.create_task(self._request(client, number, slot)))
            return
        due = self._start_s + self._spec.planned_s[number]
        self._samples.add(number, due, time.monotonic() - due, Answer("dropped"), slot.target.group)

    async def _request(self, client: aiohttp.ClientSession, number: int, slot: Slot) -> None:
        due = self._start_s + self._spec.planned_s[number]
        late = time.monotonic() - due
        self._samples.add(number, due, late, await exchange(client, slot), slot.target.group)

    def _verdict(self) -> dict[str, Any]:
        return {"loop": "open", "complete": len(self._samples) == len(self._spec.planned_s)}
