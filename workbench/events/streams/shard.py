"""What of a shard is done, in flight, blocked: a state machine without clock or I/O. Events in, commands out.

With ParallelizationFactor a shard has several lanes; records with the same key are in the same lane, so their order is
kept. The checkpoint is the last record before which all are done with.
"""

from __future__ import annotations

import itertools
import zlib
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from workbench.events.streams.lane import Lane
from workbench.events.streams.records import Batch, Command, Outcome, Policy, Record, Window

_MOST_RECORDS = 10_000
_MOST_BYTES = 32 * 2**20
_BEHIND = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """From where a shard goes on: behind the record `after` (empty: from its start), in `window`.

    `finished`: it was closed, and all of it is done with.
    """

    after: str = ""
    window: Window | None = None
    finished: bool = False


class Shard:
    """One shard; goes on at a checkpoint."""

    def __init__(self, policy: Policy, checkpoint: Checkpoint = Checkpoint()) -> None:
        self._after = checkpoint.after
        self._order: deque[Record] = deque()  # read and not yet passed by the checkpoint
        self._done: set[str] = set()
        self._bytes = 0
        self._seen_s = 0.0
        self._ended = False
        self._stopped = False
        batches = itertools.count(1)
        count = 1 if policy.tumbling_s else policy.parallel
        self._lanes = [Lane(n, policy, batches, self._pass, checkpoint.window) for n in range(count)]
        self._room = max(_MOST_RECORDS, 2 * policy.batch_size * count)

    # ---- events ------------------------------------------------------------------------------------------------------

    def read(
        self, now_s: float, records: Sequence[Record], skipped: Collection[str] = (), seen_s: float = 0.0
    ) -> list[Command]:
        """Records came, in their order; those of the numbers `skipped` are done with. `seen_s`: see `Lane.go`."""
        self._seen_s = max(self._seen_s, seen_s)
        for record in records:
            self._order.append(record)
            self._bytes += record.size
            if record.sequence not in skipped:
                self._lanes[zlib.crc32(record.key.encode()) % len(self._lanes)].add(record, now_s)
        self._pass([record for record in records if record.sequence in skipped])
        return self.tick(now_s)

    def end(self, now_s: float) -> list[Command]:
        """The shard is closed, and was read to its end."""
        self._ended = True
        return self.tick(now_s)

    def settle(self, now_s: float, batch: Batch, outcome: Outcome) -> list[Command]:
        """A batch that was sent has come back."""
        return [*self._lanes[batch.lane].settle(outcome, now_s), *self.tick(now_s)]

    def tick(self, now_s: float) -> list[Command]:
        """It is `now_s`."""
        if self._stopped:
            return []
        return [command for lane in self._lanes for command in lane.go(now_s, self._seen_s, self._ended)]

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    # ---- how it stands -----------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Checkpoint:
        """What is worth keeping."""
        windows = self._lanes[0].windows
        return Checkpoint(self._after, windows.open if windows is not None else None, self.finished)

    @property
    def unfinished(self) -> int:
        """How many records were read and are not done with."""
        return len(self._order) - len(self._done)

    @property
    def room(self) -> int:
        """How many more records it takes now: what is blocked must not fill the memory."""
        if self._bytes > _MOST_BYTES or len(self._order) > _BEHIND * self._room:
            return 0
        return max(0, self._room - self.unfinished)

    @property
    def drained(self) -> bool:
        """Whether all that was read is done with."""
        return not self._order and all(lane.idle for lane in self._lanes)

    @property
    def finished(self) -> bool:
        """Whether all of a closed shard is done with."""
        return self._ended and self.drained

    @property
    def flying(self) -> list[Batch]:
        """The batches under way."""
        return [lane.flying for lane in self._lanes if lane.flying is not None]

    def wake_s(self) -> float | None:
        """When to `tick` if nothing happens before; None for never."""
        times = [] if self._stopped else [lane.wake_s(self._ended) for lane in self._lanes]
        return min((time for time in times if time is not None), default=None)

    def _pass(self, records: Sequence[Record]) -> None:
        """Records are done with; the checkpoint passes all that have none unfinished before them."""
        self._done.update(record.sequence for record in records)
        while self._order and self._order[0].sequence in self._done:
            record = self._order.popleft()
            self._done.discard(record.sequence)
            self._bytes -= record.size
            self._after = record.sequence
