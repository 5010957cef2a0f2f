"""Asynchronous invocations: accepted onto disk, delivered at least once, tried again as AWS does.

A handler's error is retried after one and after two minutes; a throttle or an error of the platform is retried with
growing delays, 1 s to 5 minutes, until the event is too old, by default six hours (AWS Lambda developer guide, "How
Lambda handles errors and retries with asynchronous invocation"). Delivery counts as done when the handler answered, so
an event may run again after a crash. What follows for destinations is put on disk in the transaction that ends it.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from workbench.faas.asynchronous import destinations as to
from workbench.faas.asynchronous.destinations import Attempt, Rules
from workbench.faas.asynchronous.event_store import EventStore, StoredEvent, StoredMessage
from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.storage import Statement

RETRY_DELAYS_S = (60.0, 120.0)
_BACKOFF_S = (1.0, 300.0)
_DISK_RETRY_S = 1.0
_AT_ONCE = 100
"""Deliveries of one function under way at the same time; what is beyond waits here instead of being throttled."""

_SENDING = 16
MAX_HOPS = 16
"""How long a chain of functions that are each other's destination may grow: AWS stops a loop after about 16 times
(AWS Lambda developer guide, "Recursive loop detection")."""

Deliver = Callable[[StoredEvent], Awaitable[Attempt]]
"""Runs the event. Raises AwsError when it did not run."""

Send = Callable[[StoredMessage], Awaitable[None]]
"""Delivers a message to what is not a function. Raises anything when it did not arrive."""


GivenUp = Callable[[StoredEvent, str, Sequence[str]], None]
"""Is told of an event that is tried no more: why, as AWS words it, and the ARNs that hear of it."""


@dataclass(slots=True)
class Counts:
    """What became of events since the platform started."""

    accepted: int = 0
    delivered: int = 0
    retried: int = 0
    dropped_age: int = 0
    dropped_retries: int = 0
    destination_failures: int = 0


class EventQueue:
    """The events of all functions; `retry_scale` shortens AWS's delays between tries (for tests and lessons)."""

    def __init__(
        self,
        store: EventStore,
        deliver: Deliver,
        *,
        rules: Callable[[StoredEvent], Rules] = lambda _: Rules(),
        send: Send | None = None,
        retry_scale: float = 1.0,
        given_up: GivenUp = lambda *_: None,
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._rules = rules
        self._send = send
        self.retry_scale = retry_scale
        self._given_up = given_up
        self._tasks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._messages: dict[str, asyncio.Task[None]] = {}
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONCE))
        self._sending = asyncio.Semaphore(_SENDING)
        self._counts = Counts()
        self._closed = False

    def resume(self) -> int:
        """Take up what an earlier platform accepted; returns how many events."""
        events = self._store.events()
        self._begin(events, self._store.messages())
        return len(events)

    async def accept(
        self, function: str, payload: bytes, client_context: str, qualifier: str = "", along: Sequence[Statement] = ()
    ) -> str:
        """Put an event on disk, in one transaction with what goes `along`.

        When this returns it will be delivered, whatever happens to this process.
        """
        now = time.time()
        event = StoredEvent(str(uuid.uuid4()), function, payload, client_context, now, now, qualifier=qualifier)
        await asyncio.shield(self._settle(events=[event], along=along))
        self._counts.accepted += 1
        return event.id

    async def post(self, messages: Sequence[StoredMessage], along: Sequence[Statement] = ()) -> None:
        """Put messages for queues, topics or buckets on disk, in one transaction with what goes `along`.

        When this returns they will be delivered. Raises sqlite3.Error, and then nothing is on disk.
        """
        await asyncio.shield(self._post(messages, along))

    async def _post(self, messages: Sequence[StoredMessage], along: Sequence[Statement]) -> None:
        await self._store.settle(messages=messages, along=along)
        self._begin((), messages)

    def drop(self, function: str) -> None:
        """The function is deleted: its events are too."""
        for name, task in list(self._tasks.values()):
            if name == function:
                task.cancel()
        self._slots.pop(function, None)

    def counts(self) -> dict[str, int]:
        """What became of events since the platform started; a retry and a failed sending count each time."""
        return asdict(self._counts)

    async def close(self) -> None:
        """Stop delivering; what is left stays on disk."""
        self._closed = True
        tasks = [task for _, task in self._tasks.values()] + list(self._messages.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks) + len(self._messages)

    # ---- events ------------------------------------------------------------------------------------------------------

    def _begin(self, events: Sequence[StoredEvent], messages: Sequence[StoredMessage]) -> None:
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        for event in events:
            task = loop.create_task(self._see_through(event), name=event.id)
            self._tasks[event.id] = event.function, task
            task.add_done_callback(lambda done: self._tasks.pop(done.get_name(), None))
        for message in messages:
            task = loop.create_task(self._see_off(message), name=message.id)
            self._messages[message.id] = task
            task.add_done_callback(lambda done: self._messages.pop(done.get_name(), None))

    async def _see_through(self, event: StoredEvent) -> None:
        left: StoredEvent | None = event
        backoff = _BACKOFF_S[0]
        while left is not None:
            await asyncio.sleep(max(0.0, left.due_s - time.time()))
            rules = self._rules(left)
            if time.time() - left.accepted_s > rules.max_age_s:
                await self._end(left, rules, Attempt.from_json(left.last), to.EVENT_AGE_EXCEEDED)
                return
            try:
                async with self._slots[left.function]:
                    attempt = await self._deliver(left)
            except Exception as error:
                left = await self._after_refusal(left, rules, error, backoff)
                backoff = min(2 * backoff, _BACKOFF_S[1])
            else:
                left = await self._after_attempt(left, rules, attempt)

    async def _after_attempt(self, event: StoredEvent, rules: Rules, attempt: Attempt) -> StoredEvent | None:
        """The function answered: done with, or the event as it is to be tried again."""
        if attempt.error is None:
            await self._end(event, rules, attempt, to.SUCCESS)
            return None
        failed = replace(event, attempts=event.attempts + 1, last=attempt.to_json())
        if event.attempts >= rules.retries:
            await self._end(failed, rules, attempt, to.RETRIES_EXHAUSTED)
            return None
        again = await self._later(failed, rules, RETRY_DELAYS_S[event.attempts])
        if again is not None:
            await self._surely(self._store.settle, "", [again])
        return again

    async def _after_refusal(
        self, event: StoredEvent, rules: Rules, error: Exception, backoff: float
    ) -> StoredEvent | None:
        """The function did not run: given up, or the event as it is to be tried again."""
        if self._gone(event, error):
            await self._surely(self._store.settle, event.id)
            return None
        if rules.closed and (rules.on_failure or rules.dead_letter):
            await self._end(event, rules, None, to.ZERO_RESERVED_CONCURRENCY)
            return None
        return await self._later(event, rules, backoff)  # not put on disk: after a restart it may be tried at once

    async def _later(self, event: StoredEvent, rules: Rules, delay_s: float) -> StoredEvent | None:
        """The event due after a delay; ended now where it would be too old by then."""
        due_s = time.time() + delay_s * self.retry_scale
        if due_s - event.accepted_s > rules.max_age_s:
            await self._end(event, rules, Attempt.from_json(event.last), to.EVENT_AGE_EXCEEDED)
            return None
        self._counts.retried += 1
        return replace(event, due_s=due_s)

    def _gone(self, event: StoredEvent, error: Exception) -> bool:
        """Whether the function is deleted; one that is a destination may come back, as any other destination may."""
        if not isinstance(error, AwsError):
            traceback.print_exception(error, file=sys.stderr)
            return False
        if error.code != "ResourceNotFoundException":
            return False
        if event.hops:
            self._failed(event.function, event.id, error)
            return False
        return True

    async def _end(self, event: StoredEvent, rules: Rules, attempt: Attempt | None, condition: str) -> None:
        """The event is done with, one way or the other: off the disk, and what follows from that onto it."""
        messages, events = [], []
        told = to.consequences(event, rules, attempt, condition, time.time())
        for message in told:
            if to.service_of(message.target) != "lambda":
                messages.append(message)
                continue
            try:
                events.append(self._for_function(event, message, rules))
            except AwsError as error:
                self._failed(message.target, event.id, error)
        await self._surely(self._settle, event.id, events, messages)
        if condition != to.SUCCESS:
            self._given_up(event, condition, [message.target for message in told])
        self._counts.accepted += len(events)
        if condition == to.SUCCESS:
            self._counts.delivered += 1
        elif condition == to.EVENT_AGE_EXCEEDED:
            self._counts.dropped_age += 1
        else:
            self._counts.dropped_retries += 1

    @staticmethod
    def _for_function(event: StoredEvent, message: StoredMessage, rules: Rules) -> StoredEvent:
        if event.hops >= MAX_HOPS and not rules.endless:
            raise AwsError(
                "RecursiveInvocationException", f"The event went through {MAX_HOPS} functions; it stops here."
            )
        return to.as_event(message, event.hops + 1)

    # ---- messages ----------------------------------------------------------------------------------------------------

    async def _see_off(self, message: StoredMessage) -> None:
        backoff = _BACKOFF_S[0]
        while True:
            try:
                async with self._sending:
                    if self._send is None:
                        raise RuntimeError("the platform was started without --aws or --aws-endpoint")
                    await self._send(message)
                break
            except Exception as error:
                self._failed(message.target, message.id, error)
                if time.time() + backoff * self.retry_scale > message.expires_s:
                    print(f"message {message.id} to {message.target} is given up", file=sys.stderr, flush=True)
                    break
            await asyncio.sleep(backoff * self.retry_scale)
            backoff = min(2 * backoff, _BACKOFF_S[1])
        await self._surely(self._store.forget_message, message.id)

    def _failed(self, target: str, identity: str, error: Exception) -> None:
        self._counts.destination_failures += 1
        print(f"event or message {identity} could not be delivered to {target}: {error}", file=sys.stderr, flush=True)

    # ---- the disk ----------------------------------------------------------------------------------------------------

    async def _settle(
        self,
        done: str = "",
        events: Sequence[StoredEvent] = (),
        messages: Sequence[StoredMessage] = (),
        along: Sequence[Statement] = (),
    ) -> None:
        """Put a step on disk, then take up what is new: always both, so callers shield it."""
        await self._store.settle(done, events, messages, along)
        self._begin(events, messages)

    @staticmethod
    async def _surely(write: Callable[..., Coroutine[Any, Any, None]], *values: object) -> None:
        """Write, again and again while the disk refuses: what is on it meanwhile is an earlier, valid step."""
        while True:
            try:
                await asyncio.shield(write(*values))
                return
            except Exception as error:  # a full disk must not stop the other events
                print(f"the queue of events cannot be written: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(_DISK_RETRY_S)
