"""Asynchronous invocations: accepted onto disk, delivered at least once, tried again as AWS does.

A handler's error is retried twice, after one and two minutes; a throttle or a platform error is retried with growing
delays until the event is six hours old (AWS Lambda developer guide, "How Lambda handles errors and retries with
asynchronous invocation"). Delivery counts as done when the handler answered, so an event may run again after a crash.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from workbench.faas.aws_errors import AwsError
from workbench.faas.storage import Storage, StoredEvent

RETRY_DELAYS_S = (60.0, 120.0)
MAX_AGE_S = 6 * 3600.0
_BACKOFF_S = (1.0, 300.0)
_AT_ONCE = 100
"""Deliveries under way at the same time; what is beyond waits here instead of being throttled."""

Deliver = Callable[[StoredEvent], Awaitable[bool]]
"""Runs the event; whether the handler answered without an error. Raises AwsError when it did not run."""


class EventQueue:
    """The events of all functions; `retry_scale` shortens AWS's delays between tries (for tests and lessons)."""

    def __init__(self, storage: Storage, deliver: Deliver, *, retry_scale: float = 1.0) -> None:
        self._storage = storage
        self._deliver = deliver
        self._scale = retry_scale
        self._tasks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def resume(self) -> int:
        """Take up what an earlier platform accepted; returns how many events."""
        events = self._storage.events()
        for event in events:
            self._begin(event)
        return len(events)

    async def accept(self, function: str, payload: bytes, client_context: str) -> str:
        """Put an event on disk; when this returns it will be delivered, whatever happens to this process."""
        now = time.time()
        event = StoredEvent(str(uuid.uuid4()), function, payload, client_context, now, now)
        await self._storage.save_event(event)
        self._begin(event)
        return event.id

    def drop(self, function: str) -> None:
        """The function is deleted: its events are too."""
        for name, task in list(self._tasks.values()):
            if name == function:
                task.cancel()

    async def close(self) -> None:
        """Stop delivering; what is left stays on disk."""
        tasks = [task for _, task in self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks)

    def _begin(self, event: StoredEvent) -> None:
        task = asyncio.get_running_loop().create_task(self._see_through(event))
        self._tasks[event.id] = event.function, task
        task.add_done_callback(lambda _: self._tasks.pop(event.id, None))

    async def _see_through(self, event: StoredEvent) -> None:
        backoff = _BACKOFF_S[0]
        while True:
            await asyncio.sleep(max(0.0, event.due_s - time.time()))
            if time.time() - event.accepted_s > MAX_AGE_S:
                break
            try:
                async with self._slots:
                    delivered = await self._deliver(event)
            except AwsError as error:
                if error.code == "ResourceNotFoundException":
                    break
                event = replace(event, due_s=time.time() + backoff * self._scale)
                backoff = min(2 * backoff, _BACKOFF_S[1])
            else:
                if delivered or event.attempts >= len(RETRY_DELAYS_S):
                    break
                delay = RETRY_DELAYS_S[event.attempts] * self._scale
                event = replace(event, attempts=event.attempts + 1, due_s=time.time() + delay)
            if not await self._keep(event):
                return
        await self._keep(event, done=True)

    async def _keep(self, event: StoredEvent, *, done: bool = False) -> bool:
        try:
            await (self._storage.delete_event(event.id) if done else self._storage.save_event(event))
        except Exception as error:  # a full disk must not stop the other events
            print(f"event {event.id} of {event.function}: {error}", file=sys.stderr, flush=True)
            return False
        return True
