"""The seam between the poller of a stream and the two kinds of streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.events.streams.records import Record


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """A shard of a stream; `closed`: it gets no more records, because it was split or merged, or has its time."""

    id: str
    parents: tuple[str, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """All shards of a stream. `generation` differs when another stream has the same ARN."""

    generation: str
    shards: tuple[ShardInfo, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What one reading of a shard gave: each record, with the event that filters see.

    `following` is the iterator for what comes next, None at the end of a closed shard. `latest`: that was all there is.
    """

    records: Sequence[tuple[Record, Mapping[str, Any]]]
    following: str | None
    latest: bool


class Source(Protocol):
    """A stream. Every method raises botocore's ClientError, or DeploymentError, as `AwsClients.call` does."""

    poll_s: float
    """How long to wait after a reading that gave nothing."""

    most: int
    """Records in one reading."""

    info: str
    """What the metadata of a batch is called in the record for a failure destination."""

    async def shards(self) -> Listing:
        """All its shards."""

    async def iterator(self, shard: str, after: str, since_s: float) -> str:
        """An iterator behind the record `after`; where that is empty, at what arrived at `since_s`, or before it."""

    async def read(self, shard: str, iterator: str, limit: int) -> Page:
        """What is there, at most `limit` records."""


def parents_first(shards: Sequence[ShardInfo], passed: set[str]) -> list[ShardInfo]:
    """The shards that may be read: their parents are `passed`, or older than what the stream keeps.

    As AWS Lambda does, so that the order of a key outlives a split or merge of its shard.
    """
    known = {shard.id for shard in shards}
    return [shard for shard in shards if all(parent in passed or parent not in known for parent in shard.parents)]
