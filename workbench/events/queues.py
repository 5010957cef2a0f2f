"""Reads a queue of SQS for one mapping and invokes its function with batches, as AWS does.

A message is deleted when a function has taken it, or no filter wants it. One that failed is left alone: it is seen
again when its visibility timeout has passed, and moved to the dead-letter queue by SQS itself. So nothing is lost with
this process, and every message is handled at least once (Lambda developer guide, "Using Lambda with Amazon SQS").
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workbench.errors import DeploymentError
from workbench.events import filters, queue_records
from workbench.events.flow import Flow, What
from workbench.events.mapping import Mapping, Poller
from workbench.events.queue_client import QueueClient, QueueState
from workbench.events.queue_pace import GROWTH_PER_S, Pace
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.running.calls import Outcome

_TROUBLE = (BotoCoreError, ClientError, DeploymentError)
_BACKOFF_S = (0.2, 10.0)  # between requests while the queue cannot be asked
_PAUSE_S = (0.05, 0.5)  # between requests of a FIFO queue that has nothing for us
_THROTTLED_S = (0.2, 5.0)  # between tries of a batch that was not run
_DELETES = 4
_LOOK_S = 1.0
_CLOSE_S = 1.0

_NOT_RUN = ("TooManyRequestsException", "ResourceConflictException", "ResourceNotFoundException")
"""Errors that say that the handler did not run: throttled, function not ready yet, or not there (any more)."""


def start_queue_poller(host: Host, flow: Flow, mapping: Mapping) -> Poller:
    """Begin to read the mapping's queue (`mapping.StartPoller`)."""
    return QueuePoller(host, flow, mapping)


@dataclass(frozen=True, slots=True)
class Message:
    """One that was received: its record as JSON, and until when nobody else sees it (monotonic)."""

    id: str
    receipt: str
    record: bytes
    receives: int
    hidden_until_s: float


class QueuePoller:
    """One reader, which gathers batches, and a task for each batch that is under way."""

    def __init__(self, host: Host, flow: Flow, mapping: Mapping) -> None:
        self._host = host
        self._flow = flow
        self._mapping = mapping
        self._queue = QueueClient(host.context.aws, mapping.source)
        self._pace = Pace(mapping.max_concurrency, time.monotonic())
        self._state = QueueState()
        self._left: list[Message] = []  # received, but in no batch yet
        self._stopping = False
        self._last_result = "No records processed"
        self._read_something = asyncio.Event()
        self._batches: set[asyncio.Task[None]] = set()
        self._reader = asyncio.ensure_future(self._read())
        self._watcher = asyncio.ensure_future(self._watch())

    @property
    def last_result(self) -> str:
        """As AWS words it."""
        return self._last_result

    async def stop(self) -> None:
        """Read nothing more, and return when what is under way is done with."""
        self._stopping = True
        self._watcher.cancel()
        await asyncio.wait({self._reader, self._watcher})
        while self._batches:
            await asyncio.wait(self._batches)

    async def close(self) -> None:
        """End at once; what was not deleted comes again. Where only that is left to do, it is done."""
        self._stopping = True
        for task in (self._reader, self._watcher):
            task.cancel()
        await asyncio.wait({self._reader, self._watcher})
        if self._batches:
            _, pending = await asyncio.wait(self._batches, timeout=_CLOSE_S)
            for task in pending:
                task.cancel()

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        pause_s = _BACKOFF_S[0]
        while not self._stopping:
            try:
                await self._room()
                batch = await self._gather()
                pause_s = _BACKOFF_S[0]
            except _TROUBLE as error:
                self._last_result = f"PROBLEM: {error}"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _BACKOFF_S[1])
                continue
            if batch:
                task = asyncio.ensure_future(self._batch(batch))
                self._batches.add(task)
                task.add_done_callback(self._batches.discard)

    async def _room(self) -> None:
        """Wait until one more batch may be under way."""
        while len(self._batches) >= self._pace.limit and not self._stopping:
            await asyncio.wait(self._batches, timeout=1 / GROWTH_PER_S, return_when=asyncio.FIRST_COMPLETED)
            self._pace.read(time.monotonic(), found=True)  # it had more than could be taken, when last asked

    async def _gather(self) -> list[Message]:
        """The next batch: as many as it may have, as large as it may be, or what there is when its window ends."""
        batch: list[Message] = []
        size, ends_s, pause_s = 0, 0.0, _PAUSE_S[0]
        while True:
            while self._left and len(batch) < self._mapping.batch_size:
                if not queue_records.fits(size, len(batch), len(self._left[0].record)):
                    return batch
                batch.append(self._left.pop(0))
                size += len(batch[-1].record)
            now = time.monotonic()
            ends_s = ends_s or (now + self._mapping.window_s if batch else 0.0)
            if len(batch) == self._mapping.batch_size or (batch and now >= ends_s) or self._stopping:
                return batch
            self._left += await self._receive(self._mapping.batch_size - len(batch))
            if self._queue.fifo and not self._left:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S[1])

    async def _receive(self, most: int) -> list[Message]:
        """Messages that a filter wants; the others are done with."""
        asked = time.monotonic()
        received = await self._queue.receive(most)
        self._pace.read(time.monotonic(), found=bool(received))
        if not received:
            return []
        self._read_something.set()
        source, function = self._mapping.source, self._mapping.function
        self._flow.tell(What.RECEIVED, source, function, [message["MessageId"] for message in received])
        wanted: list[Message] = []
        unwanted: list[dict[str, Any]] = []
        for message in received:
            record = queue_records.record(message, source)
            if not filters.passes(self._mapping.filters, record):
                unwanted.append(message)
                continue
            receives = int(record["attributes"].get("ApproximateReceiveCount", 1))
            wanted.append(
                Message(
                    message["MessageId"],
                    message["ReceiptHandle"],
                    json.dumps(record).encode(),
                    receives,
                    asked + self._state.visibility_s,
                )
            )
        if unwanted:
            self._flow.tell(What.FILTERED, source, function, [message["MessageId"] for message in unwanted])
            await self._delete([message["ReceiptHandle"] for message in unwanted])
        return wanted

    # ---- a batch -----------------------------------------------------------------------------------------------------

    async def _batch(self, batch: Sequence[Message]) -> None:
        try:
            await self._process(batch, uuid.uuid4().hex[:12])
        except Exception as error:  # nothing may stop the queue; what was not deleted comes again
            self._last_result = f"PROBLEM: {error}"
            traceback.print_exc(file=sys.stderr)

    async def _process(self, batch: Sequence[Message], name: str) -> None:
        self._tell(What.BATCHED, batch, name)
        payload = queue_records.event(message.record for message in batch)
        until_s = min(message.hidden_until_s for message in batch)
        outcome = await self._invoke(batch, name, payload, until_s)
        if outcome is None:
            return
        if outcome.error is not None:
            self._pace.failed()
            said = outcome.payload[:400].decode("utf-8", "replace")
            self._failed(batch, name, f"{outcome.error} {said}", outcome)
            return
        failed, problem = frozenset[str](), ""
        if self._mapping.report_failures:
            failed, problem = queue_records.failed(outcome.payload, [message.id for message in batch])
        taken = [message for message in batch if message.id not in failed]
        if taken:
            refused = await self._delete([message.receipt for message in taken])
            self._tell(What.ANSWERED, taken, name, outcome, refused)
        self._last_result = "OK"
        if failed:
            left = [message for message in batch if message.id in failed]
            self._failed(left, name, problem or "reported in batchItemFailures", outcome)

    async def _invoke(self, batch: Sequence[Message], name: str, payload: bytes, until_s: float) -> Outcome | None:
        """Run the function; again and again while it cannot be run, as long as nobody else sees the messages."""
        pause_s = _THROTTLED_S[0]
        while True:
            request = str(uuid.uuid4())
            self._flow.tell(
                What.INVOKED,
                self._mapping.source,
                self._mapping.function,
                [message.id for message in batch],
                batch=name,
                request=request,
            )
            try:
                return await self._host.invoke(self._mapping.function, payload, request)
            except AwsError as error:
                self._pace.failed()
                late = time.monotonic() + pause_s >= until_s
                if error.code not in _NOT_RUN or late or self._stopping:
                    self._failed(batch, name, f"{error.code} {error.message}")
                    return None
                self._last_result = f"PROBLEM: {error.message}"
                self._tell(What.RETRIED, batch, name, detail=f"in {pause_s:g} s: {error.code}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _THROTTLED_S[1])

    def _failed(self, messages: Sequence[Message], batch: str, detail: str, outcome: Outcome | None = None) -> None:
        self._last_result = f"PROBLEM: {detail}"
        self._tell(What.FAILED, messages, batch, outcome, detail)
        most = self._state.receives
        dead = [message for message in messages if most is not None and message.receives >= most]
        if dead:
            goes = f"received {most} times: SQS moves it to {self._state.dead_letters} when it would be seen again"
            self._tell(What.DEAD, dead, batch, outcome, goes)

    async def _delete(self, receipts: Sequence[str]) -> str:
        """Delete messages, with a few tries; says what went wrong, in which case they come again."""
        for attempt in range(_DELETES):
            try:
                return await self._queue.delete(receipts)
            except _TROUBLE as error:
                problem = f"not deleted, so it comes again: {error}"
                await asyncio.sleep(_BACKOFF_S[0] * 2**attempt)
        return problem

    def _tell(
        self, what: What, messages: Sequence[Message], batch: str, outcome: Outcome | None = None, detail: str = ""
    ) -> None:
        self._flow.tell(
            what,
            self._mapping.source,
            self._mapping.function,
            [message.id for message in messages],
            batch=batch,
            request=outcome.request if outcome else "",
            instance=outcome.instance if outcome else "",
            detail=detail,
        )

    # ---- the queue itself --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Know how many messages wait, and the queue's settings: now and then while there is something to read."""
        while True:
            self._read_something.clear()
            with contextlib.suppress(*_TROUBLE):  # the reader says so
                self._state = await self._queue.state()
                self._flow.depth(self._mapping.source, self._state.waiting)
            await asyncio.sleep(_LOOK_S)
            if not self._state.waiting:
                await self._read_something.wait()
