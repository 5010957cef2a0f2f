"""One lane of a shard: records that go to the function one batch after the other. Pure: time comes as an argument.

AWS Lambda developer guide, "Process Amazon Kinesis Data Streams records with Lambda", "Configure error handling" and
"Stateful processing": a batch that fails holds up what is behind it; half a batch (bisect) keeps its place; halving
does not count as a retry; where the function reports from where on it failed, what is before is done with.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from workbench.events.streams.records import (
    AGE_EXCEEDED,
    RETRIES_EXHAUSTED,
    Again,
    Batch,
    Command,
    Failed,
    GivenUp,
    Halved,
    Outcome,
    Policy,
    Record,
    Refused,
    Send,
    Took,
    Window,
)
from workbench.events.streams.windows import Windows

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0
"""AWS says that delays grow, not how far. Asynchronous invocations start from 1 s, too."""

_MOST_BYTES = 6_000_000
"""A payload has 6 MB; the rest is for the state of a window and what is around the records."""


class Lane:
    """What waits, what is being tried, and when that is due; `done` is told the records that are done with."""

    def __init__(
        self,
        number: int,
        policy: Policy,
        batches: Iterator[int],
        done: Callable[[Sequence[Record]], None],
        window: Window | None = None,
    ) -> None:
        self._number = number
        self._policy = policy
        self._batches = batches
        self._done = done
        self._waiting: deque[tuple[Record, float]] = deque()
        self._parts: deque[Batch] = deque()  # of the batch in turn: what is to be sent, in order
        self.flying: Batch | None = None
        self.windows = Windows(policy.tumbling_s, window) if policy.tumbling_s else None

    def add(self, record: Record, now_s: float) -> None:
        """A record was read."""
        self._waiting.append((record, now_s))

    @property
    def idle(self) -> bool:
        """Nothing waits, nothing is tried, no window is open."""
        return not (self._waiting or self._parts or self.flying or (self.windows and self.windows.open))

    # ---- sending -----------------------------------------------------------------------------------------------------

    def go(self, now_s: float, seen_s: float, ended: bool) -> list[Command]:
        """Send what is due. All that arrived before `seen_s` was read; `ended`: there is nothing more to come."""
        commands: list[Command] = []
        while self.flying is None:
            if not self._parts and not self._form(now_s, seen_s, ended):
                break
            commands += self._give_up_aged(now_s)
            if not self._parts:
                continue
            if self._parts[0].due_s > now_s:
                break
            batch = self._parts.popleft()
            self.flying = replace(batch, tries=batch.tries + 1, window=self._window(batch))
            commands.append(Send(self.flying))
        return commands

    def wake_s(self, ended: bool) -> float | None:
        """When there is something to do if nothing happens before."""
        if self.flying is not None:
            return None
        if self._parts:
            head = self._parts[0]
            if self._policy.max_age_s < 0 or not head.records:
                return head.due_s
            return min(head.due_s, min(record.arrived_s for record in head.records) + self._policy.max_age_s)
        if self._waiting and not ended:
            return self._waiting[0][1] + self._policy.window_s
        return None

    def _form(self, now_s: float, seen_s: float, ended: bool) -> bool:
        """Make the next batch, if it is time for one."""
        windows = self.windows
        if windows is not None:
            upcoming = self._waiting[0][0].arrived_s if self._waiting else None
            if windows.closes(upcoming, seen_s, ended):
                self._parts.append(self._batch(()))
                return True
        if not self._waiting:
            return False
        records = self._head()
        whole = len(records) < len(self._waiting) or len(records) >= self._policy.batch_size
        over = windows is not None and windows.over(records[0].arrived_s, seen_s)
        if not (whole or over or ended or now_s >= self._waiting[0][1] + self._policy.window_s):
            return False
        for _ in records:
            self._waiting.popleft()
        if windows is not None:
            windows.enter(records[0].arrived_s)
        self._parts.append(self._batch(records))
        return True

    def _head(self) -> tuple[Record, ...]:
        """The records that fit into one batch; those of one window."""
        found: list[Record] = []
        size = 0
        most = _MOST_BYTES - (2**20 if self.windows is not None else 0)
        for record, _ in itertools.islice(self._waiting, self._policy.batch_size):
            size += record.size
            if found and size > most:
                break
            if self.windows is not None and found and not self.windows.together(found[0].arrived_s, record.arrived_s):
                break
            found.append(record)
        return tuple(found)

    def _batch(self, records: tuple[Record, ...]) -> Batch:
        return Batch(next(self._batches), self._number, records)

    def _window(self, batch: Batch) -> Window | None:
        return self.windows.view(closing=not batch.records) if self.windows is not None else None

    def _give_up_aged(self, now_s: float) -> list[Command]:
        most = self._policy.max_age_s
        head = self._parts[0]
        if most < 0 or not head.records:
            return []
        aged = tuple(record for record in head.records if record.arrived_s + most <= now_s)
        if not aged:
            return []
        rest = tuple(record for record in head.records if record.arrived_s + most > now_s)
        self._parts.popleft()
        if rest:
            self._parts.appendleft(replace(head, number=next(self._batches), records=rest))
        self._done(aged)
        return [GivenUp(replace(head, records=aged), AGE_EXCEEDED)]

    # ---- what became of it -------------------------------------------------------------------------------------------

    def settle(self, outcome: Outcome, now_s: float) -> list[Command]:
        """The batch that was sent has come back."""
        batch = self.flying
        assert batch is not None
        self.flying = None
        match outcome:
            case Took(state):
                if self.windows is not None:
                    self.windows.took(state, closed=not batch.records)
                self._done(batch.records)
                return []
            case Refused():
                refused = replace(batch, tries=batch.tries - 1, refusals=batch.refusals + 1)
                return [self._later(refused, refused.refusals, now_s)]
            case Failed(first, state):
                batch = replace(batch, refusals=0)
                place = batch.sequences.index(first) if first in batch.sequences else 0
                if place:
                    return self._failed_from(batch, place, state, now_s)
                return self._failed(batch, now_s)

    def _failed_from(self, batch: Batch, place: int, state: str | None, now_s: float) -> list[Command]:
        if self.windows is not None and state is not None:
            self.windows.took(state, closed=False)
        self._done(batch.records[:place])
        rest = replace(batch, number=next(self._batches), records=batch.records[place:])
        if not self._policy.bisect:
            return self._counted(rest, now_s)
        rest = replace(rest, due_s=now_s)  # divided where the function said: that counts no more than halving
        self._parts.appendleft(rest)
        return [Again(rest)]

    def _failed(self, batch: Batch, now_s: float) -> list[Command]:
        if not self._policy.bisect or len(batch.records) < 2:
            return self._counted(batch, now_s)
        middle = len(batch.records) // 2
        halves = [
            replace(batch, number=next(self._batches), records=records, due_s=now_s)
            for records in (batch.records[:middle], batch.records[middle:])
        ]
        self._parts.extendleft(reversed(halves))
        return [Halved(batch, halves)]

    def _counted(self, batch: Batch, now_s: float) -> list[Command]:
        failed = replace(batch, failures=batch.failures + 1)
        if 0 <= self._policy.max_retries < failed.failures:
            if self.windows is not None and not failed.records:
                self.windows.took("{}", closed=True)
            self._done(failed.records)
            return [GivenUp(failed, RETRIES_EXHAUSTED)]
        return [self._later(failed, failed.failures, now_s)]

    def _later(self, batch: Batch, times: int, now_s: float) -> Again:
        delay_s = min(_FIRST_DELAY_S * 2.0 ** min(times - 1, 30), _LONGEST_DELAY_S) * self._policy.scale
        again = replace(batch, due_s=now_s + delay_s)
        self._parts.appendleft(again)
        return Again(again)
