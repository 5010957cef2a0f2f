"""One request and what became of its answer; and which target gets the next one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from workbench.invocation import Target
from workbench.load.result import Status


@dataclass(frozen=True, slots=True)
class Answer:
    """How a request ended and when (monotonic seconds; None: without an answer); what the answer said of its maker."""

    status: Status
    at_s: float | None = None
    instance: str = ""
    cold: bool = False


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


def session(timeout_s: float) -> aiohttp.ClientSession:
    """What `exchange` sends by; the time limit is for a whole request, connecting included."""
    # The generator bounds what is outstanding itself; a connector that queued would hide it in the latency.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )


async def exchange(session: aiohttp.ClientSession, slot: Slot) -> Answer:
    """Send the slot's request now and wait until its answer is read, or it has failed: raises nothing of its own."""
    slot.outstanding += 1
    try:
        request = session.request(slot.target.method, slot.url, data=slot.body, headers=slot.headers)
        async with request as response:
            await response.read()
            return Answer(
                classify(response.status, response.headers),
                time.monotonic(),
                response.headers.get("X-Workbench-Instance", ""),
                response.headers.get("X-Workbench-Cold") == "1",
            )
    except TimeoutError:
        return Answer("timeout")
    except (aiohttp.ClientError, OSError, ValueError):
        return Answer("error")
    finally:
        slot.outstanding -= 1


def classify(status_code: int, headers: Mapping[str, str]) -> Status:
    """What an HTTP answer means for an invocation; Lambda tells of a handler that raised by a header, not a status."""
    if status_code == 429:
        return "throttled"
    if status_code >= 400 or "X-Amz-Function-Error" in headers:
        return "error"
    return "ok"
