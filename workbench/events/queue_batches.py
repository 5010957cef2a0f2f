"""Batches of messages on their way through a function, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.events import queue_records
from workbench.events.flow import What
from workbench.events.mapping import Mapping
from workbench.events.queue_client import TROUBLE, QueueClient, QueueState
from workbench.events.queue_pace import GROWTH_PER_S, Pace
from workbench.events.queue_told import Told
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.running.calls import Outcome

_AGAIN_S = (0.2, 5.0)  # between tries of a batch that was not run
_DELETES = 4
_DELETE_AGAIN_S = 0.2
_CLOSE_S = 1.0
_SAID = 400  # characters of a handler's error that are told on

_NOT_RUN = ("TooManyRequestsException", "ResourceConflictException", "ResourceNotFoundException")
"""Errors that say that the handler did not run: throttled, function not ready yet, or not there (any more)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One that was received: its record as JSON, and until when nobody else sees it (monotonic)."""

    id: str
    receipt: str
    record: bytes
    receives: int
    hidden_until_s: float


class Batches:
    """Those of one mapping that are under way, each in a task of its own; `state` is what the queue last said."""

    def __init__(self, host: Host, mapping: Mapping, queue: QueueClient, told: Told) -> None:
        self.state = QueueState()
        self.stopping = asyncio.Event()
        self.pace = Pace(mapping.max_concurrency, time.monotonic())
        self._host = host
        self._mapping = mapping
        self._queue = queue
        self._told = told
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, batch: Sequence[Message]) -> None:
        """Have a batch handled."""
        task = asyncio.ensure_future(self._handle(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def busy(self) -> bool:
        """Whether any is under way."""
        return bool(self._tasks)

    async def room(self) -> None:
        """Wait until one more may be under way."""
        while len(self._tasks) >= self.pace.limit:
            await asyncio.wait(self._tasks, timeout=1 / GROWTH_PER_S, return_when=asyncio.FIRST_COMPLETED)
            self.pace.read(time.monotonic(), found=True)  # the queue had more than could be taken, when last asked

    async def done(self) -> None:
        """Wait until none is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """End them; those of which only the messages are left to be deleted have the time for it."""
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=_CLOSE_S)
            for task in pending:
                task.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait, but not when it is time to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def delete(self, receipts: Sequence[str]) -> str:
        """Delete messages, with a few tries; says what went wrong, in which case they come again."""
        problem = ""
        for attempt in range(_DELETES):
            try:
                return await self._queue.delete(receipts)
            except TROUBLE as error:
                problem = f"not deleted, so it comes again: {error}"
                await asyncio.sleep(_DELETE_AGAIN_S * 2**attempt)
        return problem

    # ---- one of them -------------------------------------------------------------------------------------------------

    async def _handle(self, batch: Sequence[Message]) -> None:
        try:
            await self._process(batch, uuid.uuid4().hex[:12])
        except Exception as error:  # nothing may stop the queue; what was not deleted comes again
            self._told.trouble(error)

    async def _process(self, batch: Sequence[Message], name: str) -> None:
        ids = [message.id for message in batch]
        self._told.step(What.BATCHED, ids, name)
        outcome = await self._invoke(batch, name)
        if outcome is None:
            return
        if outcome.error is not None:
            self.pace.failed()
            said = outcome.payload[:_SAID].decode("utf-8", "replace")
            self._failed(batch, name, f"{outcome.error} {said}", outcome)
            return
        failed, problem = frozenset[str](), ""
        if self._mapping.report_failures:
            failed, problem = queue_records.failed(outcome.payload, ids)
        taken = [message for message in batch if message.id not in failed]
        if taken:
            refused = await self.delete([message.receipt for message in taken])
            self._told.step(What.ANSWERED, (message.id for message in taken), name, outcome, refused)
        self._told.last_result = "OK"
        if failed:
            left = [message for message in batch if message.id in failed]
            self._failed(left, name, problem or "reported in batchItemFailures", outcome)

    async def _invoke(self, batch: Sequence[Message], name: str) -> Outcome | None:
        """Run the function; again and again while it cannot be run, as long as nobody else sees the messages."""
        payload = queue_records.event(message.record for message in batch)
        until_s = min(message.hidden_until_s for message in batch)
        ids = [message.id for message in batch]
        pause_s = _AGAIN_S[0]
        while True:
            request = str(uuid.uuid4())
            self._told.step(What.INVOKED, ids, name, request=request)
            try:
                return await self._host.invoke(self._mapping.function, payload, request)
            except AwsError as error:
                self.pace.failed()
                late = time.monotonic() + pause_s >= until_s
                if error.code not in _NOT_RUN or late or self.stopping.is_set():
                    self._failed(batch, name, f"{error.code} {error.message}")
                    return None
                self._told.problem(error.message)
                self._told.step(What.RETRIED, ids, name, detail=f"in {pause_s:g} s: {error.code}")
            await self.pause(pause_s)
            pause_s = min(2 * pause_s, _AGAIN_S[1])

    def _failed(self, messages: Sequence[Message], name: str, detail: str, outcome: Outcome | None = None) -> None:
        self._told.problem(detail)
        self._told.step(What.FAILED, (message.id for message in messages), name, outcome, detail)
        most = self.state.receives
        dead = [message.id for message in messages if most is not None and message.receives >= most]
        if dead:
            goes = f"received {most} times: SQS moves it to {self.state.dead_letters} when it would be seen again"
            self._told.step(What.DEAD, dead, name, outcome, goes)
