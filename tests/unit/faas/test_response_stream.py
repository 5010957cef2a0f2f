"""A streamed response from the Runtime API's socket to its sink, and the encoding in which it goes to the client."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.front import event_stream
from workbench.faas.running import response_stream as rs
from workbench.faas.running.runtime_api import MAX_RESPONSE, RuntimeApi, Work

BASE = "/2018-06-01/runtime/invocation/"
MODE = "Lambda-Runtime-Function-Response-Mode: streaming\r\n"


class Owner:
    def __init__(self) -> None:
        self.polls = 0
        self.heard: list[tuple[str, bytes, str | None, bool]] = []

    def polled(self) -> None:
        self.polls += 1

    def answered(self, request: str, body: bytes, *, error_type: str | None, streamed: bool = False) -> None:
        self.heard.append((request, body, error_type, streamed))

    def init_failed(self, body: bytes) -> None:
        raise AssertionError(body)


class Runtime:
    """The other side: a runtime client that does as the test says, also what no real one would."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    def poll(self) -> None:
        self.send(f"GET {BASE}next HTTP/1.1\r\n\r\n")

    def begin(self, request: str = "r1", more: str = MODE) -> None:
        self.send(f"POST {BASE}{request}/response HTTP/1.1\r\n{more}Transfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, trailers: str = "") -> None:
        self.send(f"0\r\n{trailers}\r\n")

    async def status(self) -> int:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await self.reader.readexactly(length)
        return int(head.split(b" ")[1])


Test = Callable[[RuntimeApi, Owner, Runtime], Awaitable[None]]


def run(test: Test) -> None:
    async def main() -> None:
        owner = Owner()
        api = RuntimeApi(owner)
        listener = socket.create_server(("127.0.0.1", 0))
        runtime = Runtime(listener.getsockname()[1])
        await api.serve(listener)
        await runtime.connect()
        try:
            async with asyncio.timeout(60):
                await test(api, owner, runtime)
        finally:
            runtime.writer.close()
            api.close()

    uvloop.run(main())


async def given_work(api: RuntimeApi, owner: Owner, runtime: Runtime, sink: rs.Sink | None) -> None:
    polls = owner.polls
    runtime.poll()
    while owner.polls == polls:
        await asyncio.sleep(0.001)
    api.give(Work("r1", "", b"{}", sink))
    assert await runtime.status() == 200


async def arrived(condition: Callable[[], Any]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_every_chunk_is_there_before_the_next_is_sent() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin(more=MODE + "Content-Type: text/plain\r\n")
        assert await stream.begun()
        assert (stream.content_type, stream.prelude) == ("text/plain", None)
        chunks = aiter(stream)
        for part in (b"one", b"two", b"three"):
            runtime.chunk(part)
            assert await anext(chunks) == part
        assert owner.heard == []
        runtime.end()
        assert await runtime.status() == 202
        assert owner.heard == [("r1", b"", None, True)]
        stream.end()
        assert [chunk async for chunk in chunks] == []
        assert not stream.failed

    run(test)


def test_an_error_comes_in_the_trailers() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()
        runtime.chunk(b"half")
        body = b'{"errorType":"Mine"}'
        encoded = base64.b64encode(body).decode()
        runtime.end(f"Lambda-Runtime-Function-Error-Type: Mine\r\nLambda-Runtime-Function-Error-Body: {encoded}\r\n")
        assert await runtime.status() == 202
        assert owner.heard == [("r1", body, "Mine", True)]
        assert stream.failed

    run(test)


def test_an_errors_body_that_is_not_base64_is_an_error_all_the_same() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        await given_work(api, owner, runtime, rs.ResponseStream())
        runtime.begin()
        runtime.end("Lambda-Runtime-Function-Error-Type: Mine\r\nLambda-Runtime-Function-Error-Body: %%%\r\n")
        assert await runtime.status() == 202
        _, body, kind, _ = owner.heard[0]
        assert (kind, json.loads(body)["errorType"]) == ("Mine", "Mine")

    run(test)


@pytest.mark.parametrize("sink", [True, False])
def test_what_is_not_streamed_or_not_wanted_so_is_gathered(sink: bool) -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream() if sink else None
        await given_work(api, owner, runtime, stream)
        runtime.begin(more="" if sink else MODE)
        runtime.chunk(b"one")
        runtime.chunk(b"two")
        runtime.end()
        assert await runtime.status() == 202
        assert owner.heard == [("r1", b"onetwo", None, False)]
        assert stream is None or not stream.started

    run(test)


def test_a_stream_may_be_larger_than_a_response_that_is_gathered() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        part = b"x" * 2**20

        async def write() -> None:
            runtime.begin()
            for _ in range(10):
                runtime.chunk(part)
                await runtime.writer.drain()
            runtime.end()
            assert await runtime.status() == 202
            stream.end()

        writing = asyncio.create_task(write())
        assert sum([len(chunk) async for chunk in stream]) == 10 * len(part) > MAX_RESPONSE
        await writing

    run(test)


def test_a_reader_that_waits_makes_the_instance_wait() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(64):
                runtime.chunk(b"x" * 2**20)
                await runtime.writer.drain()
                written += 2**20
            runtime.end()
            assert await runtime.status() == 202
            stream.end()

        writing = asyncio.create_task(write())
        await arrived(lambda: stream._paused)
        before = -1
        while written != before:  # what the sockets hold fills up, then it stands still
            before = written
            await asyncio.sleep(0.2)
        assert stream._waiting < rs.HIGH_WATER + 2**19
        assert written < 64 * 2**20
        assert sum([len(chunk) async for chunk in stream]) == 64 * 2**20
        await writing

    run(test)


def test_when_nobody_reads_any_more_the_instance_may_write_on() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()

        async def write() -> None:
            for _ in range(32):
                runtime.chunk(b"x" * 2**20)
                await runtime.writer.drain()
            runtime.end()

        writing = asyncio.create_task(write())
        await arrived(lambda: stream._paused)
        stream.abandon()
        await writing
        assert await runtime.status() == 202
        assert stream._waiting == 0

    run(test)


def test_beyond_the_limit_the_stream_is_cut_and_the_function_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rs, "MAX_STREAM", 10)

    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()
        for _ in range(3):
            runtime.chunk(b"abcd")
        runtime.end()
        assert await runtime.status() == 413
        stream.end()
        assert b"".join([chunk async for chunk in stream]) == b"abcdabcdab"
        assert owner.heard[0][2:] == ("Function.ResponseSizeTooLarge", True)

    run(test)


def test_a_stream_whose_connection_breaks_ends_when_the_runtime_asks_for_more() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()
        runtime.chunk(b"half")
        assert await stream.begun()
        runtime.writer.transport.abort()
        await runtime.connect()
        await given_work(api, owner, runtime, None)
        request, body, kind, streamed = owner.heard[0]
        assert (request, kind, streamed) == ("r1", "Runtime.TruncatedResponse", True)
        assert json.loads(body)["errorType"] == kind
        assert stream.failed

    run(test)


def test_a_stream_whose_connection_breaks_may_still_be_reported_as_an_error() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin()
        assert await stream.begun()
        runtime.writer.transport.abort()
        await runtime.connect()
        runtime.send(f"POST {BASE}r1/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}")
        assert await runtime.status() == 202
        assert owner.heard == [("r1", b"{}", "Unhandled", True)]
        assert stream.failed

    run(test)


def test_nobody_streams_for_another_invocation_nor_twice() -> None:
    async def test(api: RuntimeApi, owner: Owner, runtime: Runtime) -> None:
        stream = rs.ResponseStream()
        await given_work(api, owner, runtime, stream)
        runtime.begin("other")
        runtime.chunk(b"false")
        runtime.end()
        assert await runtime.status() == 400
        for status in (202, 400):
            runtime.begin()
            runtime.chunk(b"true")
            runtime.end()
            assert await runtime.status() == status
        stream.end()
        assert [chunk async for chunk in stream] == [b"true"]

    run(test)


class Gathered:
    def __init__(self) -> None:
        self.began: tuple[str, bytes | None] | None = None
        self.data = b""

    def begin(self, content_type: str, prelude: bytes | None, flow: rs.Flow) -> None:
        assert self.began is None
        self.began = content_type, prelude

    def write(self, chunk: bytes) -> None:
        assert self.began
        self.data += chunk

    def fail(self, error_type: str, body: bytes) -> None:
        raise AssertionError


class NoFlow:
    def pause(self) -> None: ...
    def resume(self) -> None: ...


def taken(content_type: str, data: bytes, cuts: list[int]) -> Gathered:
    sink, at = Gathered(), 0
    inflow = rs.Inflow("r1", sink, content_type, NoFlow())
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        inflow.take(data[at:cut])
        at = cut
    inflow.finish(None, b"")
    return sink


CUTS = st.lists(st.integers(0, 300), max_size=6)


@given(st.binary(max_size=60).filter(lambda b: b"\0" not in b), st.binary(max_size=100), CUTS)
def test_the_prelude_of_an_http_response_is_taken_out(prelude: bytes, rest: bytes, cuts: list[int]) -> None:
    sink = taken(f"{rs.HTTP_INTEGRATION}; charset=utf-8", prelude + b"\0" * 8 + rest, cuts)
    assert sink.began == (f"{rs.HTTP_INTEGRATION}; charset=utf-8", prelude)
    assert sink.data == rest


@given(st.sampled_from(["text/plain", rs.HTTP_INTEGRATION]), st.binary(max_size=100), CUTS)
def test_without_a_prelude_nothing_is_taken_out(content_type: str, data: bytes, cuts: list[int]) -> None:
    if content_type == rs.HTTP_INTEGRATION:
        data = data.replace(b"\0", b"0")
    sink = taken(content_type, data, cuts)
    assert (sink.began, sink.data) == ((content_type, None), data)


def test_a_prelude_without_end_is_none() -> None:
    sink = taken(rs.HTTP_INTEGRATION, b"x" * 3 * 2**20, [2**19])
    assert (sink.began, len(sink.data)) == ((rs.HTTP_INTEGRATION, None), 3 * 2**20)


@given(st.lists(st.binary(max_size=300), max_size=4), st.none() | st.text(max_size=20), st.binary(max_size=50), CUTS)
def test_botocore_reads_our_events(chunks: list[bytes], error: str | None, details: bytes, cuts: list[int]) -> None:
    data = b"".join(map(event_stream.payload_chunk, chunks)) + event_stream.invoke_complete(error, details, "TE9H")
    buffer, at = EventStreamBuffer(), 0
    found = []
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        buffer.add_data(data[at:cut])
        found += list(buffer)
        at = cut
    assert [e.payload for e in found[:-1]] == chunks
    assert all(e.headers[":event-type"] == "PayloadChunk" for e in found[:-1])
    assert found[-1].headers == {
        ":message-type": "event",
        ":event-type": "InvokeComplete",
        ":content-type": "application/json",
    }
    content = json.loads(found[-1].payload)
    assert content.pop("LogResult") == "TE9H"
    said = {} if error is None else {"ErrorCode": error, "ErrorDetails": details.decode("utf-8", "replace")}
    assert content == said
