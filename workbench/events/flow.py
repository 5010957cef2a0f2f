"""What became of each event, step by step: source, queue, batch, instance, result. The last 20,000 steps, in memory.

There are fewer where they are of large batches.

Below `/_workbench/`, signed:

    GET flow              {"steps": [Step's fields], "depths": {source: how many wait}}
    GET flow?id=EVENT     the steps of one event
    GET flow?source=ARN   the steps of one source
    GET flow?follow       each step as it happens, a line of JSON each, and what else `Follower` yields
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

from workbench.faas.companion import Delivery
from workbench.faas.front.api_model import Answer
from workbench.faas.front.follower import Follower
from workbench.faas.front.http_front import Streamed
from workbench.faas.operations.context import Table

_KEPT = 20_000
_KEPT_IDS = 400_000  # of all steps together: a step may be of a batch of 10,000 records


class What(StrEnum):
    """What a step is."""

    RECEIVED = "received"  # the source had it, and it was read
    FILTERED = "filtered"  # no filter wants it: it is done with
    BATCHED = "batched"  # it is one of a batch that is about to be sent
    ACCEPTED = "accepted"  # it is on the platform's disk, as an asynchronous invocation
    INVOKED = "invoked"  # a function was called with it
    ANSWERED = "answered"  # the function took it
    FAILED = "failed"  # the function failed it, or could not be run
    RETRIED = "retried"  # it goes again
    BISECTED = "bisected"  # its batch was halved
    DROPPED = "dropped"  # given up, and nowhere to go
    DEAD = "dead-lettered"  # given up, and put where failures go


@dataclass(frozen=True, slots=True)
class Step:
    """One step of some events; `at_s` is seconds since the epoch.

    `events` are the ids that the source gave them: a message's, a record's `shard:sequence number`, an object's key and
    sequencer. `batch` joins the steps of one batch, `request` is the invocation's id, `instance` ran it.
    """

    at_s: float
    what: What
    source: str  # its ARN
    function: str
    events: tuple[str, ...]
    batch: str = ""
    request: str = ""
    instance: str = ""
    detail: str = ""


class Flow:
    """All steps lately, and how many events wait at each source. A companion, so that it is seen from outside."""

    operations: Table = {}  # noqa: RUF012 -- none: it has no word in Lambda's API

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._accepted: OrderedDict[str, Step] = OrderedDict()  # by request
        self._ids = 0
        self._depths: dict[str, int] = {}
        self._followers: set[Follower] = set()

    def tell(
        self,
        what: What,
        source: str,
        function: str,
        events: Sequence[str],
        *,
        batch: str = "",
        request: str = "",
        instance: str = "",
        detail: str = "",
    ) -> None:
        """Note a step of some events, now."""
        step = Step(time.time(), what, source, function, tuple(events), batch, request, instance, detail)
        self._steps.append(step)
        self._ids += len(step.events)
        while len(self._steps) > _KEPT or self._ids > _KEPT_IDS:
            self._ids -= len(self._steps.popleft().events)
        if what is What.ACCEPTED and request:
            self._accepted[request] = step
            if len(self._accepted) > _KEPT:
                self._accepted.popitem(last=False)
        if self._followers:
            self._pass_on(asdict(step))

    def delivered(self, delivery: Delivery) -> None:
        """Note how an asynchronous invocation was tried, or given up, with the events that it was accepted for."""
        of = self._accepted.get(delivery.request)
        if of is None:  # accepted by an earlier platform, or by Invoke
            of = Step(0.0, What.ACCEPTED, "", delivery.function, ())
        what, detail = What.FAILED if delivery.error else What.ANSWERED, delivery.error[:500]
        if delivery.given_up:
            what = What.DEAD if delivery.targets else What.DROPPED
        if delivery.targets:
            detail += f": put into {', '.join(delivery.targets)}"
        self.tell(
            what,
            of.source,
            of.function,
            of.events,
            batch=of.batch,
            request=delivery.request,
            instance=delivery.instance,
            detail=detail,
        )

    def depth(self, source: str, waiting: int) -> None:
        """Note how many events wait at a source."""
        if self._depths.get(source) != waiting:
            self._depths[source] = waiting
            self._pass_on({"at_s": time.time(), "source": source, "depth": waiting})

    def steps(self, *, event: str = "", source: str = "") -> list[Step]:
        """The steps of one event, of one source, or all, oldest first."""
        return [s for s in self._steps if (not event or event in s.events) and (not source or source == s.source)]

    def _pass_on(self, line: dict[str, Any]) -> None:
        for follower in self._followers:
            follower.tell(line)

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """See the module."""
        if (method, list(path)) != ("GET", ["flow"]):
            return None
        wish = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if "follow" in wish:
            return Streamed(200, self._follow(), {"Content-Type": "application/x-ndjson"})
        steps = [asdict(step) for step in self.steps(event=wish.get("id", ""), source=wish.get("source", ""))]
        text = json.dumps({"steps": steps, "depths": self._depths})
        return Answer(200, text.encode(), {"Content-Type": "application/json; charset=utf-8"})

    async def _follow(self) -> AsyncIterator[bytes]:
        follower = Follower()
        self._followers.add(follower)
        try:
            async for line in follower:
                yield json.dumps(line).encode() + b"\n"
        finally:
            self._followers.discard(follower)

    async def resume(self) -> None:
        """Nothing to begin."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def close(self) -> None:
        """Nothing to end."""
