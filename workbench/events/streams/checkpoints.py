"""How far each shard of a mapping was read, on the platform's disk: after SIGKILL it goes on from there.

A checkpoint is written after its records are done with, so some records may come again: at least once. A message to a
failure destination is on disk in the same transaction as the checkpoint behind its records, or before it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from workbench.events.streams.records import Window
from workbench.events.streams.shard import Checkpoint
from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.asynchronous.event_store import StoredMessage
from workbench.faas.functions.storage import Statement, Storage

_STREAM = ""
_DISK_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Begun:
    """From when on records count (seconds since the epoch, 0 for all), and of which generation the stream was."""

    since_s: float
    generation: str


class Checkpoints:
    """Those of one mapping."""

    def __init__(self, storage: Storage, events: EventQueue, mapping: str) -> None:
        self._storage = storage
        self._events = events
        self._mapping = mapping

    def begun(self) -> Begun | None:
        """How this mapping began; None when it never did."""
        kept = self._rows().get(_STREAM)
        return Begun(**json.loads(kept)) if kept else None

    def shards(self) -> dict[str, Checkpoint]:
        """How far the shards are."""
        found = {}
        for shard, record in self._rows().items():
            if shard != _STREAM:
                fields = json.loads(record)
                window = fields.pop("window")
                found[shard] = Checkpoint(**fields, window=Window(**window) if window else None)
        return found

    async def begin(self, begun: Begun) -> None:
        """Note how the mapping began, and forget what there was of shards. Raises sqlite3.Error."""
        await self._storage.write([forget(self._mapping), self._put(_STREAM, json.dumps(asdict(begun)))])

    async def keep(self, shard: str, checkpoint: Checkpoint, messages: Sequence[StoredMessage] = ()) -> None:
        """Keep how far a shard is, and what has to be told. Raises sqlite3.Error."""
        await self._events.post(messages, [self._put(shard, json.dumps(asdict(checkpoint)))])

    def _put(self, shard: str, record: str) -> Statement:
        return "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)", (self._mapping, shard, record)

    def _rows(self) -> dict[str, str]:
        return dict(self._storage.rows("SELECT shard, record FROM checkpoints WHERE mapping = ?", (self._mapping,)))


def forget(mapping: str) -> Statement:
    """For `Storage.write`: the mapping is deleted."""
    return "DELETE FROM checkpoints WHERE mapping = ?", (mapping,)


class Keeper:
    """Brings one shard's checkpoints onto the disk, one writing after the other; the latest is enough."""

    def __init__(self, checkpoints: Checkpoints, shard: str) -> None:
        self._checkpoints = checkpoints
        self._shard = shard
        self._kept = Checkpoint()
        self._wanted = Checkpoint()
        self._messages: list[StoredMessage] = []
        self._writing: asyncio.Task[None] | None = None

    def keep(self, checkpoint: Checkpoint, messages: Sequence[StoredMessage] = ()) -> None:
        """Have it on disk soon; messages in any case."""
        self._wanted = checkpoint
        self._messages += messages
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())

    async def flush(self) -> None:
        """Wait until all is on disk."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    def close(self) -> None:
        """Write nothing more."""
        if self._writing is not None:
            self._writing.cancel()

    async def _write(self) -> None:
        while self._messages or self._wanted != self._kept:
            checkpoint, messages = self._wanted, self._messages
            self._messages = []
            try:
                await self._checkpoints.keep(self._shard, checkpoint, messages)
                self._kept = checkpoint
            except sqlite3.Error as error:  # a full disk: what is on it is an earlier, valid step
                self._messages = messages + self._messages
                print(f"the checkpoint of {self._shard} cannot be written: {error}", file=sys.stderr, flush=True)
                await asyncio.sleep(_DISK_RETRY_S)
