"""The closed loop, as naive tools have it: each client sends again when it is answered. Here to show what that hides.

While the server stalls, a client waits and sends nothing; so of all the requests that users would have sent just then
one for each client is in the sample ("coordinated omission"). Latency counts from the real send time, as theirs does.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from workbench.load.exchange import exchange
from workbench.load.generator import Emit, Generator
from workbench.load.schedule import MAX_REQUESTS
from workbench.load.spec import ClosedSpec


class ClosedLoop(Generator):
    """As many clients as a ClosedSpec says, each with one request at a time, until its time is up."""

    def __init__(self, spec: ClosedSpec, emit: Emit) -> None:
        super().__init__(spec, emit)
        self._spec = spec

    async def _send_all(self, client: aiohttp.ClientSession) -> None:
        await asyncio.sleep(self._start_s - time.monotonic())
        for _ in range(self._spec.clients):
            self._begin(asyncio.create_task(self._send_in_turn(client)))

    async def _send_in_turn(self, client: aiohttp.ClientSession) -> None:
        while (sent := time.monotonic()) < self._start_s + self._spec.duration_s and self._next < MAX_REQUESTS:
            slot = self._balancer.choose()
            number, self._next = self._next, self._next + 1
            self._samples.add(number, sent, 0.0, await exchange(client, slot), slot.target.group)

    def _verdict(self) -> dict[str, Any]:
        return {"loop": "closed", "complete": not self._stopped and self._next < MAX_REQUESTS}
