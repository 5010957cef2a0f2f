"""Fires what is due: reads the schedules from the AWS endpoint, goes by its clock, remembers on disk. A companion.

A tick is done when it and the note that it is done are on disk, in one transaction: SIGKILL neither loses nor doubles
it. After a restart a simulated clock goes on from there. Wall time does not wait: what was missed meanwhile is not made
up for, except for what belongs to the running minute, which is how exact AWS is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from workbench.events.flow import Flow, What
from workbench.events.schedule import memory as on_disk
from workbench.events.schedule.book import Book, News
from workbench.events.schedule.clock import Clock
from workbench.events.schedule.clock_api import read_change, said
from workbench.events.schedule.delivery import Delivery
from workbench.events.schedule.memory import Memory
from workbench.events.schedule.orders import order
from workbench.events.schedule.plan import Entry, Tick, due, is_over, next_due
from workbench.events.schedule.schedules import Schedule
from workbench.events.schedule.sources import Sources
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.operations.context import Table

_REFRESH_S = 1.0
_LONGEST_PAUSE_S = 1.0
_PATIENCE_S = 2.0
_SHORTEST_PAUSE_S = 0.01
_AFTER_AN_ERROR_S = 1.0


class Schedules:
    """All schedules of one platform."""

    operations: Table = {}  # noqa: RUF012 -- none: it has no word in Lambda's API

    def __init__(self, host: Host, flow: Flow) -> None:
        self._host = host
        self._flow = flow
        self._clock = Clock(host.now_s)
        self._book = Book()
        self._memory = Memory(host.context.storage)
        self._delivery = Delivery(host, flow, self._memory)
        self._sources = Sources(host.context.aws.call)
        self._floor = self._done = self._clock.began
        self._turning = asyncio.Lock()  # held for a step, a refresh or a change of the clock
        self._wake = asyncio.Event()
        self._readings = 0
        self._accepted: set[Tick] = set()  # of a step that the disk cut short
        self._tasks: list[asyncio.Task[None]] = []

    # ---- a companion -------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Go on from what the disk says, and begin to fire."""
        stopped = self._memory.stopped()
        start = self._clock.began if stopped is None else self._clock.go_on_from(stopped.setting, stopped.mark)
        self._floor = self._done = start
        self._book.known = self._memory.known()
        self._delivery.resume()
        if self._host.context.aws.endpoint:
            self._tasks = [asyncio.create_task(work) for work in (self._keep_reading(), self._keep_firing())]

    async def stop(self) -> None:
        """Fire nothing more."""
        if not self._tasks:
            return
        try:
            async with asyncio.timeout(_PATIENCE_S), self._turning:  # a step is finished first
                await self._end()
                await self._memory.write([self._clock_kept()])
        except TimeoutError:  # the AWS endpoint hangs
            await self._end()

    async def close(self) -> None:
        """End deliveries, too; they go on at the next start."""
        await self._end()
        await self._delivery.close()

    async def _end(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """See `clock_api`."""
        match method, list(path):
            case "GET", ["clock"]:
                pass
            case "PUT", ["clock"]:
                change = read_change(body)
                async with self._turning:
                    change.apply(self._clock)
                    await self._changed(anew=change.at is not None)
            case "POST", ["clock", "pause"]:
                async with self._turning:
                    self._clock.pause()
                    await self._changed(anew=False)
            case "POST", ["clock", "resume"]:
                async with self._turning:
                    self._clock.resume()
                    await self._changed(anew=False)
            case "DELETE", ["clock"]:
                async with self._turning:
                    self._clock.be_real()
                    await self._changed(anew=True)
            case _:
                return None
        return Answer(200, json.dumps(self._seen()).encode(), {"Content-Type": "application/json; charset=utf-8"})

    def _seen(self) -> dict[str, object]:
        setting = self._clock.setting
        return {
            "at": said(self._clock.now()),
            "simulated": setting.simulated,
            "speed": setting.speed,
            "paused": setting.paused,
            "until": said(setting.until),
            "fired_until": said(self._done),
            "next": said(next_due(self._book.entries.values(), self._done)),
            "schedules": len(self._book.entries),
        }

    # ---- the loop ----------------------------------------------------------------------------------------------------

    async def _keep_reading(self) -> None:
        """Apart from the firing: an endpoint that hangs holds up nothing that is known."""
        while True:
            try:
                await self._refresh(self._turning)
            except Exception as error:
                print(f"schedules could not be taken up: {error!r}", file=sys.stderr, flush=True)
            await asyncio.sleep(_REFRESH_S)

    async def _keep_firing(self) -> None:
        while True:
            try:
                async with self._turning:
                    await self._step()
                pause = self._pause_s()
            except Exception as error:  # a disk that is full must not end all schedules
                print(f"schedules could not fire: {error!r}", file=sys.stderr, flush=True)
                pause = _AFTER_AN_ERROR_S
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _pause_s(self) -> float:
        """Until the next is due, but no longer than it may take to notice that wall time was set."""
        following = next_due(self._book.entries.values(), self._done)
        wait = self._clock.wall_s_until(following) if following is not None else _LONGEST_PAUSE_S
        return max(min(wait, _LONGEST_PAUSE_S), _SHORTEST_PAUSE_S)

    async def _changed(self, *, anew: bool) -> None:
        """The clock was set: what that means for all schedules, which are read at once."""
        if anew:
            self._book.clear()
            self._floor = self._done = self._clock.began
            await self._memory.write([on_disk.drop_all_known()])
        await self._memory.write([self._clock_kept()])
        if self._tasks:
            await self._refresh(contextlib.nullcontext())
        self._wake.set()

    async def _refresh(self, turning: contextlib.AbstractAsyncContextManager[None]) -> None:
        """Read the schedules and, holding `turning`, go by them; a later reading wins over an earlier one."""
        self._readings += 1
        reading = self._readings
        found = await self._sources.read()
        async with turning:
            if reading == self._readings:
                await self._take_up(self._book.update(found, self._clock, self._done, self._floor))
                self._wake.set()

    async def _take_up(self, news: News) -> None:
        for schedule, why in news.tell:
            self._flow.tell(What.DROPPED, schedule.arn, schedule.target.arn, [schedule.key], detail=why)
        statements = [on_disk.keep_known(key, known) for key, known in news.keep.items()]
        statements += [on_disk.drop("known", key) for key in news.drop]
        if statements:
            await self._memory.write([*statements, self._clock_kept()])
        await self._catch_up(news.entries)

    async def _catch_up(self, entries: Sequence[Entry]) -> None:
        """Fire what was due between a schedule's creation and now that it is known."""
        start = min((entry.since for entry in entries), default=self._done)
        while start < self._done:
            ticks, start = due(entries, start, self._done)
            await self._fire(ticks)
            await self._delete_what_is_over({tick.key for tick in ticks})

    async def _step(self) -> None:
        now = self._clock.now()
        if now <= self._done:
            return
        ticks, upto = due(self._book.entries.values(), self._done, now)
        await self._fire(ticks)
        self._done = upto
        if ticks:
            await self._memory.write([self._clock_kept()])
            await self._delete_what_is_over({tick.key for tick in ticks})

    async def _fire(self, ticks: Sequence[Tick]) -> None:
        """All at once: the storage writes in the order in which it is asked, so no tick is noted before an earlier."""
        events: defaultdict[tuple[str, datetime], str] = defaultdict(lambda: str(uuid.uuid4()))
        work = []
        for tick in ticks:
            if tick not in self._accepted:
                identity = events[self._book.schedules[tick.key].arn, tick.scheduled]
                work.append(self._fire_one(tick, identity))
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome  # the step is tried again, without what is accepted
        for tick in ticks:
            self._book.fired(tick)
        self._accepted.clear()

    async def _fire_one(self, tick: Tick, identity: str) -> None:
        wanted = order(self._book.schedules[tick.key], tick.scheduled, identity, self._host.now_s())
        await self._delivery.accept(wanted, on_disk.keep_known(tick.key, self._book.after(tick)))
        self._accepted.add(tick)

    async def _delete_what_is_over(self, keys: set[str]) -> None:
        """ActionAfterCompletion: DELETE."""
        for key in keys:
            schedule, entry = self._book.schedules[key], self._book.entries[key]
            if schedule.delete_when_over and is_over(entry, self._done):
                await self._delete(schedule)

    async def _delete(self, schedule: Schedule) -> None:
        try:
            await self._sources.delete(schedule)
        except Exception as error:  # somebody else did, or the endpoint is away
            print(f"{schedule.arn} is over and cannot be deleted: {error}", file=sys.stderr, flush=True)

    def _clock_kept(self) -> tuple[str, tuple[object, ...]]:
        return on_disk.keep_clock(self._clock.setting, self._done.astimezone(UTC))
