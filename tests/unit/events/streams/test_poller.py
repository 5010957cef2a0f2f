"""The poller of a stream with a hand-written stream: shards that end, parents and children, a source in trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError

from workbench.events.flow import Flow, What
from workbench.events.mapping import Mapping as EventSource
from workbench.events.streams.poller import StreamPoller
from workbench.events.streams.records import Record
from workbench.events.streams.source import Listing, Page, ShardInfo
from workbench.faas.asynchronous.destinations import Attempt
from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.asynchronous.event_store import EventStore, StoredEvent
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.functions.storage import Storage

STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
MAPPING = EventSource("m", STREAM, FUNCTION, 2, start="TRIM_HORIZON")


class Book:
    """A stream as AWS has it: a closed shard ends, and no record moves. Records are numbers, their own sequence."""

    poll_s, most, info = 0.001, 100, "KinesisBatchInfo"

    def __init__(self, shards: dict[str, list[int]], parents: Mapping[str, tuple[str, ...]] = {}) -> None:
        self.records = shards
        self.parents = parents
        self.trouble: list[str] = []
        self.opened: list[tuple[str, str]] = []

    async def shards(self) -> Listing:
        closed = {parent for parents in self.parents.values() for parent in parents}
        shards = [ShardInfo(name, self.parents.get(name, ()), name in closed) for name in reversed(self.records)]
        return Listing("1", tuple(shards))

    async def iterator(self, shard: str, after: str, since_s: float) -> str:
        self.opened.append((shard, after))
        return after or "0"

    async def read(self, shard: str, iterator: str, limit: int) -> Page:
        if self.trouble:
            raise ClientError({"Error": {"Code": self.trouble.pop()}}, "GetRecords")
        found = [n for n in self.records[shard] if n > int(iterator)][:2]
        closed = any(shard in parents for parents in self.parents.values())
        following = None if closed and not found else str(found[-1] if found else iterator)
        return Page([(Record(str(n), "k", n + 0.5, json.dumps({"n": n})), {}) for n in found], following, not found)


Answer = Callable[[list[int]], Awaitable[None]]


@asynccontextmanager
async def reading(
    directory: Path, book: Book, answer: Answer, flow: Flow | None = None, mapping: EventSource = MAPPING
) -> AsyncIterator[StreamPoller]:
    """A poller on what an earlier one left in the directory; `answer` is the function, and raises what it answers."""

    async def invoke(function: str, payload: bytes, request: str) -> object:
        assert function == FUNCTION
        await answer([record["n"] for record in json.loads(payload)["Records"]])
        return SimpleNamespace(version="$LATEST", error=None, payload=b"null", instance="i")

    async def deliver(event: StoredEvent) -> Attempt:
        raise AssertionError(event)

    storage = Storage(directory)
    events = EventQueue(EventStore(storage), deliver, retry_scale=0.001)
    host: Any = SimpleNamespace(context=SimpleNamespace(storage=storage, events=events), invoke=invoke)
    poller = StreamPoller(cast(Host, host), flow or Flow(), mapping, book)
    try:
        yield poller
    finally:
        await poller.stop()
        await events.close()
        storage.close()


def gathering(into: list[list[int]], until: int) -> tuple[Answer, asyncio.Event]:
    """A function that keeps its batches, and an event for when it has had the record `until`."""
    had = asyncio.Event()

    async def answer(numbers: list[int]) -> None:
        into.append(numbers)
        if until in numbers:
            had.set()

    return answer, had


def test_children_come_after_their_parents_and_a_shard_that_ended_is_not_read_again(tmp_path: Path) -> None:
    async def story() -> None:
        book = Book(
            {"old": [1, 2, 3], "left": [10, 11], "merged": [20]}, {"left": ("old",), "merged": ("left", "gone")}
        )
        batches: list[list[int]] = []
        answer, had = gathering(batches, 20)
        async with reading(tmp_path, book, answer):
            await had.wait()
        assert batches == [[1, 2], [3], [10, 11], [20]]
        book.opened.clear()
        book.records["merged"].append(21)
        answer, had = gathering(batches, 21)
        async with reading(tmp_path, book, answer):
            await had.wait()
        assert batches[4:] == [[21]]
        assert book.opened == [("merged", "20")]

    asyncio.run(asyncio.wait_for(story(), 30))


def test_after_trouble_with_the_source_it_goes_on_behind_what_was_read(tmp_path: Path) -> None:
    async def story() -> None:
        book, batches = Book({"only": [1, 2, 3]}), list[list[int]]()
        answer, had = gathering(batches, 3)
        async with reading(tmp_path, book, answer) as poller:
            await had.wait()
            book.trouble = ["ExpiredIteratorException"]
            book.records["only"] += [4]
            answer_4 = asyncio.ensure_future(_until(lambda: [4] in batches))
            await answer_4
            assert poller.last_result == "OK"
        assert batches == [[1, 2], [3], [4]]
        assert book.opened == [("only", ""), ("only", "3")]

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_function_that_is_throttled_gets_the_same_batch_again(tmp_path: Path) -> None:
    async def story() -> None:
        batches: list[list[int]] = []
        had = asyncio.Event()

        async def answer(numbers: list[int]) -> None:
            batches.append(numbers)
            if len(batches) < 4:
                raise AwsError("TooManyRequestsException", "Rate Exceeded.")
            had.set()

        flow = Flow()
        async with reading(tmp_path, Book({"only": [1]}), answer, flow):
            await had.wait()
        assert batches == [[1]] * 4
        what = [step.what for step in flow.steps(event="only:1")]
        tried = [What.BATCHED, What.INVOKED, What.FAILED, What.RETRIED]
        assert what == [What.RECEIVED, *tried * 3, What.BATCHED, What.INVOKED, What.ANSWERED]

    asyncio.run(asyncio.wait_for(story(), 30))


def test_stop_waits_for_what_is_under_way_and_keeps_it(tmp_path: Path) -> None:
    async def story() -> None:
        book, batches = Book({"only": [1, 2, 3, 4]}), list[list[int]]()
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def slow(numbers: list[int]) -> None:
            batches.append(numbers)
            begun.set()
            await may_end.wait()

        async with reading(tmp_path, book, slow) as poller:
            await begun.wait()
            stopping = asyncio.ensure_future(poller.stop())
            done, _ = await asyncio.wait({stopping}, timeout=0.2)
            assert not done
            may_end.set()
            await stopping
        assert batches == [[1, 2]]
        answer, had = gathering(batches, 4)
        async with reading(tmp_path, book, answer):
            await had.wait()
        assert batches == [[1, 2], [3, 4]]

    asyncio.run(asyncio.wait_for(story(), 30))


def test_what_is_older_than_the_mapping_wants_is_passed(tmp_path: Path) -> None:
    async def story() -> None:
        batches: list[list[int]] = []
        answer, had = gathering(batches, 4)
        flow = Flow()
        later = replace(MAPPING, start="AT_TIMESTAMP", start_at_s=2.6)
        async with reading(tmp_path, Book({"only": [1, 2, 3, 4]}), answer, flow, later):
            await had.wait()
        assert [n for batch in batches for n in batch] == [3, 4]
        assert flow.steps(event="only:2") == []

    asyncio.run(asyncio.wait_for(story(), 30))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)
