"""The open-loop generator: requests leave when planned, whatever the answers do.

A closed loop waits for an answer before it sends the next request, so a server that stalls is asked less just then and
the stall is seen by one request only ("coordinated omission"). Here the plan is fixed and latency counts from the
planned moment, so a stall is seen by every request that was due in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from workbench.invocation import Target
from workbench.load.result import STATUSES, Column, Status
from workbench.load.spec import LoadSpec
from workbench.load.ticker import Ticker

_LEAD_S = 0.02  # between saying "started" and the first request
_PROGRESS_S = 0.25
_CODES = {status: code for code, status in enumerate(STATUSES)}

Emit = Callable[[dict[str, Any]], None]


def classify(status_code: int, headers: Mapping[str, str]) -> Status:
    """What an HTTP answer means for an invocation; Lambda tells of a handler that raised by a header, not a status."""
    if status_code == 429:
        return "throttled"
    if status_code >= 400 or "X-Amz-Function-Error" in headers:
        return "error"
    return "ok"


class Slot:
    """A target ready to be sent, and how many of its requests wait for their answers."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.url = URL(target.url, encoded=True)  # as given: a signature covers its exact spelling
        self.headers = CIMultiDict(target.headers)
        self.body = target.body or None
        self.outstanding = 0


class Balancer:
    """Chooses the slot with the fewest requests outstanding, in turn among equals."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._slots: list[Slot] = []
        self._turn = 0
        self.replace(targets)

    def replace(self, targets: Sequence[Target]) -> None:
        """Send to `targets` from now on; one that stays keeps its count of outstanding requests."""
        known = {slot.target: slot for slot in self._slots}
        self._slots = [known.get(target) or Slot(target) for target in targets]

    def choose(self) -> Slot:
        """The slot for the next request."""
        slots, count = self._slots, len(self._slots)
        if count == 1:
            return slots[0]
        self._turn = (self._turn + 1) % count
        return min((slots[(self._turn + k) % count] for k in range(count)), key=lambda slot: slot.outstanding)


class Generator:
    """One load in the running event loop: `run` it once; `stop` and `retarget` at any time."""

    def __init__(self, spec: LoadSpec, emit: Emit) -> None:
        self._spec, self._emit = spec, emit
        self._balancer = Balancer(spec.targets)
        self._tasks: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Status, float | None, float, str, str, bool] | None] = [None] * len(spec.planned_s)
        self._next = 0
        self._done = 0
        self._stopped = False
        self._start_s = 0.0
        self._ticker: Ticker | None = None

    def retarget(self, targets: Sequence[Target]) -> None:
        """Send what is still to come to `targets`."""
        self._balancer.replace(targets)

    def stop(self) -> None:
        """Send no more, give up what waits, and let `run` return what there is."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        if self._ticker is not None:
            self._ticker.wake()

    async def run(self) -> dict[str, Any]:
        """Send everything as planned; returns the result's JSON, in the shape LoadResult.from_json reads."""
        self._ticker = Ticker()
        progress = asyncio.create_task(self._tell_progress())
        try:
            async with _session(self._spec) as session:
                self._start_s = time.monotonic() + _LEAD_S
                self._emit({"started_s": self._start_s})
                await self._send_all(session, self._ticker)
                if self._tasks:
                    await asyncio.wait(self._tasks)  # each ends by its own time limit
        finally:
            progress.cancel()
            self._ticker.close()
        return self._result()

    async def _send_all(self, session: aiohttp.ClientSession, ticker: Ticker) -> None:
        planned, start = self._spec.planned_s, self._start_s
        while self._next < len(planned) and not self._stopped:
            await ticker.until(start + planned[self._next])
            now = time.monotonic() - start
            while self._next < len(planned) and planned[self._next] <= now and not self._stopped:
                self._launch(session, self._next)
                self._next += 1

    def _launch(self, session: aiohttp.ClientSession, number: int) -> None:
        slot = self._balancer.choose()
        if len(self._tasks) >= self._spec.max_connections:
            late = time.monotonic() - self._start_s - self._spec.planned_s[number]
            self._end(number, slot, "dropped", None, late)
            return
        slot.outstanding += 1
        task = asyncio.create_task(self._request(session, number, slot))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, session: aiohttp.ClientSession, number: int, slot: Slot) -> None:
        planned = self._start_s + self._spec.planned_s[number]
        late = time.monotonic() - planned
        try:
            request = session.request(slot.target.method, slot.url, data=slot.body, headers=slot.headers)
            async with request as response:
                await response.read()
                latency = time.monotonic() - planned
                status = classify(response.status, response.headers)
                instance = response.headers.get("X-Workbench-Instance", "")
                cold = response.headers.get("X-Workbench-Cold") == "1"
            self._end(number, slot, status, latency, late, instance, cold)
        except TimeoutError:
            self._end(number, slot, "timeout", None, late)
        except (aiohttp.ClientError, OSError, ValueError):
            self._end(number, slot, "error", None, late)
        finally:
            slot.outstanding -= 1

    def _end(
        self,
        number: int,
        slot: Slot,
        status: Status,
        latency: float | None,
        late: float,
        instance: str = "",
        cold: bool = False,
    ) -> None:
        self._outcomes[number] = (status, latency, late, instance, slot.target.group, cold)
        self._done += 1

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_S)
            elapsed = max(0.0, time.monotonic() - self._start_s)
            self._emit({"progress": {"t_s": round(elapsed, 3), "due": self._next, "ended": self._done}})

    def _result(self) -> dict[str, Any]:
        instances, groups = Column(), Column()
        result: dict[str, Any] = {name: [] for name in ("planned_s", "latency_ms", "status", "lateness_ms", "cold")}
        for planned, outcome in zip(self._spec.planned_s, self._outcomes, strict=True):
            if outcome is None:
                continue
            status, latency, late, instance, group, cold = outcome
            result["planned_s"].append(round(planned, 6))
            result["latency_ms"].append(None if latency is None else round(latency * 1e3, 4))
            result["status"].append(_CODES[status])
            result["lateness_ms"].append(round(max(0.0, late) * 1e3, 4))
            result["cold"].append(int(cold))
            instances.append(instance)
            groups.append(group)
        result["instances"], result["groups"] = instances.to_json(), groups.to_json()
        result["started_s"] = self._start_s
        result["complete"] = len(result["status"]) == len(self._outcomes)
        return result


def _session(spec: LoadSpec) -> aiohttp.ClientSession:
    # The generator bounds what is outstanding itself; a connector that queued would hide it in the latency.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=spec.timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )
