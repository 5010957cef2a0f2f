"""Reads a queue of SQS for one mapping and invokes its function with batches, as AWS does.

A message is deleted when a function has taken it, or no filter wants it. One that failed is left alone: it is seen
again when its visibility timeout has passed, and moved to the dead-letter queue by SQS itself. So nothing is lost with
this process, and every message is handled at least once (Lambda developer guide, "Using Lambda with Amazon SQS").
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from workbench.events import filters, queue_records
from workbench.events.flow import Flow, What
from workbench.events.mapping import Mapping, Poller
from workbench.events.queue_batches import Batches, Message
from workbench.events.queue_client import TROUBLE, QueueClient
from workbench.events.queue_told import Told
from workbench.faas.companion import Host

_BACKOFF_S = (0.2, 10.0)  # between requests while the queue cannot be asked
_PAUSE_S = (0.05, 0.5)  # between requests of a FIFO queue that has nothing for us
_LOOK_S = 1.0


def start_queue_poller(host: Host, flow: Flow, mapping: Mapping) -> Poller:
    """Begin to read the mapping's queue (`mapping.StartPoller`)."""
    return QueuePoller(host, flow, mapping)


class QueuePoller:
    """One reader, which gathers batches; and one who looks how many messages wait."""

    def __init__(self, host: Host, flow: Flow, mapping: Mapping) -> None:
        self._mapping = mapping
        self._told = Told(flow, mapping)
        self._queue = QueueClient(host.context.aws, mapping.source)
        self._batches = Batches(host, mapping, self._queue, self._told)
        self._left: list[Message] = []  # received, but in no batch yet
        self._stopping = self._batches.stopping
        self._read_something = asyncio.Event()
        self._reader = asyncio.ensure_future(self._read())
        self._watcher = asyncio.ensure_future(self._watch())

    @property
    def last_result(self) -> str:
        """As AWS words it."""
        return self._told.last_result

    async def stop(self) -> None:
        """Read nothing more, and return when what is under way is done with."""
        self._stopping.set()
        self._watcher.cancel()
        await asyncio.wait({self._reader, self._watcher})
        await self._batches.done()

    async def close(self) -> None:
        """End at once; what was not deleted comes again."""
        self._stopping.set()
        for task in (self._reader, self._watcher):
            task.cancel()
        await asyncio.wait({self._reader, self._watcher})
        await self._batches.close()

    # ---- reading -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        asked, pause_s = False, _BACKOFF_S[0]
        while self._left or not self._stopping.is_set():
            try:
                if not asked:
                    await self._look()
                    asked = True
                await self._batches.room()
                batch = await self._gather()
                pause_s = _BACKOFF_S[0]
            except Exception as error:  # nothing may end the reading for good
                self._told.trouble(error)
                await self._batches.pause(pause_s)
                pause_s = min(2 * pause_s, _BACKOFF_S[1])
                continue
            if batch:
                self._batches.start(batch)

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
            if len(batch) == self._mapping.batch_size or (batch and now >= ends_s) or self._stopping.is_set():
                return batch
            try:
                self._left += await self._receive(self._mapping.batch_size - len(batch))
            except TROUBLE:
                if batch:  # it can be handled all the same
                    return batch
                raise
            if self._queue.fifo and not self._left:
                await self._batches.pause(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S[1])

    async def _receive(self, most: int) -> list[Message]:
        """Messages that a filter wants; the others are done with."""
        asked_s = time.monotonic()
        received = await self._queue.receive(most)
        self._batches.pace.read(time.monotonic(), found=bool(received))
        if not received:
            return []
        self._read_something.set()
        self._told.step(What.RECEIVED, (message["MessageId"] for message in received))
        hidden_until_s = asked_s + self._batches.state.visibility_s
        wanted: list[Message] = []
        unwanted: list[dict[str, Any]] = []
        for message in received:
            record = queue_records.record(message, self._mapping.source)
            if filters.passes(self._mapping.filters, record):
                wanted.append(_message(record, hidden_until_s))
            else:
                unwanted.append(message)
        if unwanted:
            self._told.step(What.FILTERED, (message["MessageId"] for message in unwanted))
            await self._batches.delete([message["ReceiptHandle"] for message in unwanted])
        return wanted

    # ---- the queue itself --------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Know how many messages wait, and the queue's settings: now and then while there is something to read."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._read_something.clear()
            with contextlib.suppress(*TROUBLE):  # the reader says so
                await self._look()
                if not self._batches.state.waiting and not self._batches.busy:
                    await self._read_something.wait()

    async def _look(self) -> None:
        self._batches.state = await self._queue.state()
        self._told.waiting(self._batches.state.waiting)


def _message(record: dict[str, Any], hidden_until_s: float) -> Message:
    return Message(
        record["messageId"],
        record["receiptHandle"],
        json.dumps(record).encode(),
        int(record["attributes"].get("ApproximateReceiveCount", 1)),
        hidden_until_s,
    )
