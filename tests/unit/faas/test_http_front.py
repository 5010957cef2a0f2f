"""The front over real sockets, with a handler that the test writes and little patience."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import MAX_HEAD, Front, Patience, Streamed
from workbench.faas.http_wire import BadRequest, Request

MAX_BODY = 100_000
LONG = Patience(60, 60, 60, 60)
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"


class Handler:
    """Answers with the target, the body, or what the test gives."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.streams: dict[str, AsyncIterator[bytes]] = {}

    async def handle(self, request: Request) -> Answer | Streamed:
        self.seen.append(request.target)
        if request.target in self.gates:
            await self.gates[request.target].wait()
        if request.target in self.streams:
            return Streamed(200, self.streams[request.target], {"X-Kind": "stream"})
        if request.target == "/bug":
            raise RuntimeError("a handler never raises")
        return Answer(200, request.body or request.target.encode(), {"X-Bad": "a\r\nb"})

    def admit(self, request: Request) -> None:
        if request.target == "/stranger":
            raise BadRequest(403)

    def refusal(self, error: BadRequest) -> Answer:
        return Answer(error.status, str(error).encode())


Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Connect = Callable[[], Awaitable[tuple[Reader, Writer]]]
Test = Callable[[Front, Handler, Connect], Awaitable[None]]


def run(test: Test, patience: Patience = LONG, connections: int = 50) -> None:
    async def main() -> None:
        handler = Handler()
        front = Front(handler, MAX_BODY, connections, patience)
        port = await front.listen("127.0.0.1", 0)
        writers: list[Writer] = []

        async def connect() -> tuple[Reader, Writer]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            return reader, writer

        try:
            async with asyncio.timeout(30):
                await test(front, handler, connect)
        finally:
            for writer in writers:
                writer.close()
            await front.close(0)

    uvloop.run(main())


async def response(reader: Reader) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}
    if "transfer-encoding" not in headers:
        return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int((await reader.readline()).strip(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return int(lines[0].split()[1]), headers, body


async def asked(reader: Reader, writer: Writer, target: bytes = b"") -> bytes:
    writer.write(GET % target)
    return (await response(reader))[2]


def test_requests_sent_ahead_are_answered_in_order() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.gates["/0"] = asyncio.Event()
        reader, writer = await connect()
        writer.write(b"".join(GET % str(n).encode() for n in range(200)))
        while not handler.seen:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        assert handler.seen == ["/0"], "one after the other"
        handler.gates["/0"].set()
        assert [(await response(reader))[2] for _ in range(200)] == [f"/{n}".encode() for n in range(200)]

    run(test)


def test_a_request_byte_by_byte_is_a_request_and_disturbs_nobody() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        other = await connect()
        for byte in b"POST /slow HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc":
            writer.write(bytes([byte]))
            await writer.drain()
            assert await asked(*other, b"other") == b"/other"
        assert (await response(reader))[2] == b"abc"

    run(test)


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"GET / HTTP/1.1\r\nHost", 408), (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", 408), (b"", 0)],
)
def test_a_client_that_never_finishes_is_let_go(sent: bytes, status: int) -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        rest = await reader.read()
        assert int(rest.split(b" ")[1]) == status if status else rest == b""
        assert handler.seen == []

    run(test, Patience(0.1, 0.1, 0.1, 0.1))


def test_a_slow_trickle_of_a_head_is_let_go_too() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()

        async def trickle() -> None:
            writer.write(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"X: 1\r\n")
                    await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        assert b" 408 " in await reader.read()
        trickling.cancel()

    run(test, Patience(head_s=0.3, body_s=60, idle_s=60))


def test_while_an_answer_is_awaited_nobody_is_impatient() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.gates["/long"] = asyncio.Event()
        reader, writer = await connect()
        gone = await connect()
        writer.write(GET % b"long")
        assert await gone[0].read() == b"", "an idle one was let go meanwhile"
        handler.gates["/long"].set()
        assert (await response(reader))[2] == b"/long"

    run(test, Patience(0.05, 0.05, 0.05, 0.05))


def test_a_client_that_does_not_read_is_let_go() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        ended = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 65536
            finally:
                ended.set()

        handler.streams["/endless"] = endless()
        _, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % b"endless")
        await ended.wait()
        assert await asked(*await connect(), b"other") == b"/other"

    run(test, Patience(60, 60, 60, 0.1))


def test_a_stream_ends_when_its_client_goes() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        ended = asyncio.Event()

        async def waits() -> AsyncIterator[bytes]:
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                ended.set()

        handler.streams["/waits"] = waits()
        reader, writer = await connect()
        writer.write(GET % b"waits")
        await reader.readuntil(b"first")
        writer.transport.abort()
        await ended.wait()

    run(test)


def test_a_stream_is_chunked_or_for_an_old_client_until_the_end() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b""
        yield b"two"

    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.streams["/new"], handler.streams["/old"] = parts(), parts()
        reader, writer = await connect()
        writer.write(GET % b"new")
        status, headers, body = await response(reader)
        assert (status, headers["transfer-encoding"], headers["x-kind"], body) == (200, "chunked", "stream", b"onetwo")
        writer.write(b"GET /old HTTP/1.0\r\n\r\n")
        whole = await reader.read()
        assert b"chunked" not in whole
        assert whole.endswith(b"\r\n\r\nonetwo")

    run(test)


def test_a_stream_that_breaks_is_cut_off_not_ended() -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("broken")

    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.streams["/breaks"] = breaks()
        reader, writer = await connect()
        writer.write(GET % b"breaks")
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")
        assert await asked(*await connect(), b"other") == b"/other"

    run(test)


def test_a_handlers_bug_ends_its_connection_only() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET % b"bug")
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert await asked(*await connect(), b"other") == b"/other"

    run(test)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3 * MAX_HEAD, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1) + b"x" * (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 99, 413),
    ],
)
def test_what_is_refused_is_told_so_however_much_it_sends(sent: bytes, status: int) -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(sent)
        await writer.drain()
        found, headers, _ = await response(reader)
        assert (found, headers["connection"]) == (status, "close")
        assert await reader.read() == b""
        assert handler.seen == []

    run(test)


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_large_body_is_taken_in_only_from_who_is_admitted(framing: bytes) -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"POST /stranger HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        assert (await response(reader))[0] == 403, "before any of the body is there"
        reader, writer = await connect()
        writer.write(b"POST /stranger HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
        assert (await response(reader))[2] == b"hi"

    run(test)


def test_a_client_that_sends_no_more_is_still_answered() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(GET % b"a" + GET % b"b")
        writer.write_eof()
        assert [(await response(reader))[2] for _ in range(2)] == [b"/a", b"/b"]
        assert await reader.read() == b""

    run(test)


def test_a_reset_in_the_middle_of_a_body_leaves_nothing() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        for _ in range(20):
            _, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 50000\r\n\r\n" + b"x" * 20_000)
            await writer.drain()
            writer.transport.abort()
        assert await asked(*await connect(), b"other") == b"/other"
        while len(front._clients) > 1:
            await asyncio.sleep(0.01)
        assert handler.seen == ["/other"]

    run(test)


def test_the_connection_that_was_idle_longest_makes_room() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        idle = [await connect() for _ in range(4)]
        for reader, writer in (idle[0], idle[2], idle[3], idle[1]):
            assert await asked(reader, writer, b"x") == b"/x"
            await asyncio.sleep(0.02)
        assert await asked(*await connect(), b"new") == b"/new"
        with contextlib.suppress(ConnectionError):
            assert await idle[0][0].read() == b""
        for reader, writer in idle[1:]:
            assert await asked(reader, writer, b"still") == b"/still"

    run(test, connections=4)


def test_when_all_are_busy_a_new_connection_is_told_so() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.gates["/long"] = asyncio.Event()
        busy = [await connect() for _ in range(4)]
        for _, writer in busy:
            writer.write(GET % b"long")
        while len(handler.seen) < 4:
            await asyncio.sleep(0.001)
        reader, writer = await connect()
        writer.write(GET % b"more")
        status, _, body = await response(reader)
        assert (status, b"too many connections" in body) == (503, True)
        handler.gates["/long"].set()
        assert [(await response(reader))[2] for reader, _ in busy] == [b"/long"] * 4
        assert "/more" not in handler.seen

    run(test, connections=4)


def test_stopping_lets_answers_out_and_idle_connections_go() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        handler.gates["/long"] = asyncio.Event()
        idle, busy = await connect(), await connect()
        assert await asked(*idle, b"x") == b"/x"
        busy[1].write(GET % b"long")
        while "/long" not in handler.seen:
            await asyncio.sleep(0.001)
        front.stop_listening()
        assert await idle[0].read() == b""
        with pytest.raises(OSError):
            await connect()
        handler.gates["/long"].set()
        status, headers, body = await response(busy[0])
        assert (status, headers["connection"], body) == (200, "close", b"/long")
        assert await busy[0].read() == b""

    run(test)


def test_headers_cannot_be_split_and_a_head_has_no_body() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"HEAD /h HTTP/1.1\r\n\r\n" + GET % b"g")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 2\r\n" in head
        assert b"X-Bad: a  b\r\n" in head
        assert (await response(reader))[2] == b"/g"

    run(test)


def test_an_old_client_keeps_its_connection_only_when_it_asks() -> None:
    async def test(front: Front, handler: Handler, connect: Connect) -> None:
        reader, writer = await connect()
        writer.write(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert (await response(reader))[1]["connection"] == "keep-alive"
        writer.write(b"GET /b HTTP/1.0\r\n\r\n")
        assert (await response(reader))[1]["connection"] == "close"
        assert await reader.read() == b""

    run(test)
