"""The poller of a stream: finds its shards, and has each read from where it was left, parents before children."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
import traceback

from botocore.exceptions import ClientError

from workbench.errors import DeploymentError
from workbench.events.flow import Flow
from workbench.events.mapping import Mapping, Poller
from workbench.events.streams.checkpoints import Begun, Checkpoints, Keeper
from workbench.events.streams.dynamodb import TableStream
from workbench.events.streams.kinesis import KinesisStream
from workbench.events.streams.shard import Checkpoint
from workbench.events.streams.shard_poller import ShardPoller
from workbench.events.streams.source import Listing, Source, parents_first
from workbench.events.streams.telling import Telling
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host

_DISCOVER_S = 2.0
"""Between two looks for new shards; how often AWS looks is not documented."""


def start_kinesis_poller(host: Host, flow: Flow, mapping: Mapping) -> Poller:
    """Begin to read a Kinesis stream; see StartPoller."""

    def role() -> str:
        try:
            return str(host.context.find(mapping.function).settings.get("Role", ""))
        except AwsError:  # deleted; nothing will be sent
            return ""

    return StreamPoller(host, flow, mapping, KinesisStream(host.context.aws, mapping.source, role))


def start_dynamodb_poller(host: Host, flow: Flow, mapping: Mapping) -> Poller:
    """Begin to read a table's stream; see StartPoller."""
    return StreamPoller(host, flow, mapping, TableStream(host.context.aws, mapping.source))


class StreamPoller:
    """Reads all shards of one mapping's stream."""

    def __init__(self, host: Host, flow: Flow, mapping: Mapping, source: Source) -> None:
        self.last_result = "No records processed"
        self._host = host
        self._flow = flow
        self._mapping = mapping
        self._source = source
        self._checkpoints = Checkpoints(host.context.storage, host.context.events, mapping.uuid)
        self._begin_s = {"LATEST": time.time() * 1000 // 1 / 1000, "AT_TIMESTAMP": mapping.start_at_s}.get(
            mapping.start, 0.0
        )
        self._begun = self._checkpoints.begun()
        self._kept = self._checkpoints.shards()
        self._shards: dict[str, ShardPoller] = {}
        self._closed: dict[str, float] = {}  # since when a shard is known to be closed
        self._moved = asyncio.Event()
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        """See Poller."""
        self._task.cancel()
        await asyncio.gather(self._task, *(shard.stop() for shard in self._shards.values()), return_exceptions=True)

    async def close(self) -> None:
        """See Poller."""
        self._task.cancel()
        await asyncio.gather(self._task, *(shard.close() for shard in self._shards.values()), return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                begun_s = time.time()
                await self._take_up(await self._source.shards(), begun_s)
            except Exception as error:
                if not isinstance(error, ClientError | DeploymentError | sqlite3.Error):  # ours; the others' go on
                    traceback.print_exception(error, file=sys.stderr)
                self._say(f"PROBLEM: {error}")
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), _DISCOVER_S)
            except TimeoutError:
                pass

    # ---- shards ------------------------------------------------------------------------------------------------------

    async def _take_up(self, listing: Listing, looked_s: float) -> None:
        begun = self._begun
        if begun is None or begun.generation != listing.generation:
            begun = await self._begin(begun, listing.generation)
        for shard in listing.shards:
            if shard.closed:
                self._closed.setdefault(shard.id, looked_s)
        passed = {shard.id for shard in listing.shards if self._is_passed(shard.id)}
        for shard in parents_first(listing.shards, passed):
            if shard.id not in self._shards and not self._kept.get(shard.id, Checkpoint()).finished:
                self._shards[shard.id] = self._start(shard.id, begun.since_s)

    async def _begin(self, before: Begun | None, generation: str) -> Begun:
        """The first time; or another stream of the same name came in place of the one that was read."""
        await asyncio.gather(*(shard.close() for shard in self._shards.values()))
        begun = Begun(self._begin_s if before is None else before.since_s, generation)
        await self._checkpoints.begin(begun)
        self._shards, self._kept, self._closed, self._begun = {}, {}, {}, begun
        return begun

    def _is_passed(self, shard: str) -> bool:
        """Whether the children of a shard may be read.

        At its end a closed shard gives no iterator any more. A source that goes on giving one has no more records than
        there were when it was seen closed; it is still read.
        """
        if self._kept.get(shard, Checkpoint()).finished:
            return True
        poller = self._shards.get(shard)
        if poller is None:
            return False
        closed_s = self._closed.get(shard)
        return poller.finished or (closed_s is not None and poller.seen_s >= closed_s and poller.drained)

    def _start(self, shard: str, since_s: float) -> ShardPoller:
        return ShardPoller(
            self._host,
            self._mapping,
            self._source,
            shard,
            checkpoint=self._kept.get(shard, Checkpoint()),
            since_s=since_s,
            keeper=Keeper(self._checkpoints, shard),
            telling=Telling(self._flow, self._mapping, shard),
            changed=lambda: self._shard_changed(shard),
            said=self._say,
        )

    def _shard_changed(self, shard: str) -> None:
        self._flow.depth(self._mapping.source, sum(poller.unfinished for poller in self._shards.values()))
        poller = self._shards.get(shard)
        if poller is not None and poller.finished:
            self._moved.set()

    def _say(self, result: str) -> None:
        if result != self.last_result and result.startswith("PROBLEM") and "Function" not in result:
            print(f"event source mapping {self._mapping.uuid}: {result}", file=sys.stderr, flush=True)
        self.last_result = result
