"""The Runtime API over a real socket, with an owner that writes down what it hears."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from workbench.faas.running.runtime_api import MAX_RESPONSE, RuntimeApi, Work

NEXT = "/2018-06-01/runtime/invocation/next"


class Owner:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def polled(self) -> None:
        self.heard.append(("polled",))

    def answered(self, request: str, body: bytes, *, error_type: str | None) -> None:
        self.heard.append(("answered", request, body, error_type))

    def init_failed(self, body: bytes) -> None:
        self.heard.append(("init failed", body))


Test = Callable[[RuntimeApi, Owner, aiohttp.ClientSession, str], Awaitable[None]]


def run(test: Test) -> None:
    async def main() -> None:
        owner = Owner()
        api = RuntimeApi(owner)
        listener = socket.create_server(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await api.serve(listener)
        try:
            async with aiohttp.ClientSession() as session:
                await test(api, owner, session, base)
        finally:
            api.close()

    asyncio.run(main())


async def heard(owner: Owner, count: int) -> None:
    async with asyncio.timeout(10):
        while len(owner.heard) < count:
            await asyncio.sleep(0.001)


def work(request: str = "r1", payload: bytes = b"{}") -> Work:
    return Work(request, f"Content-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {request}\r\n", payload)


def test_an_invocation_goes_out_and_its_answer_comes_back() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        poll = asyncio.ensure_future(session.get(base + NEXT))
        await heard(owner, 1)
        api.give(work(payload=b'{"a":1}'))
        answer = await poll
        assert answer.headers["Lambda-Runtime-Aws-Request-Id"] == "r1"
        assert await answer.json() == {"a": 1}
        posted = await session.post(base + "/2018-06-01/runtime/invocation/r1/response", data=b'"done"')
        assert posted.status == 202
        assert owner.heard == [("polled",), ("answered", "r1", b'"done"', None)]

    run(test)


def test_an_error_carries_its_type() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        poll = asyncio.ensure_future(session.get(base + NEXT))
        await heard(owner, 1)
        api.give(work())
        await poll
        headers = {"Lambda-Runtime-Function-Error-Type": "Mine"}
        await session.post(base + "/2018-06-01/runtime/invocation/r1/error", data=b"{}", headers=headers)
        assert owner.heard[-1] == ("answered", "r1", b"{}", "Mine")

    run(test)


def test_nobody_answers_for_another_invocation_nor_twice() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        response = base + "/2018-06-01/runtime/invocation/{}/response"
        assert (await session.post(response.format("r1"), data=b"1")).status == 400
        poll = asyncio.ensure_future(session.get(base + NEXT))
        await heard(owner, 1)
        api.give(work())
        await poll
        assert (await session.post(response.format("other"), data=b"1")).status == 400
        assert (await session.get(base + NEXT)).status == 403, "it has not answered yet"
        assert (await session.post(response.format("r1"), data=b"1")).status == 202
        assert (await session.post(response.format("r1"), data=b"2")).status == 400
        assert [h for h in owner.heard if h[0] == "answered"] == [("answered", "r1", b"1", None)]

    run(test)


def test_a_broken_poll_loses_no_invocation() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        port = int(base.rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {NEXT} HTTP/1.1\r\n\r\n".encode())
        await heard(owner, 1)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.05)
        api.give(work())
        async with asyncio.timeout(10):
            answer = await session.get(base + NEXT)
        assert answer.headers["Lambda-Runtime-Aws-Request-Id"] == "r1"
        assert owner.heard == [("polled",)], "told once"

    run(test)


def test_a_response_over_6_mb_is_an_error_of_the_function() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        poll = asyncio.ensure_future(session.get(base + NEXT))
        await heard(owner, 1)
        api.give(work())
        await poll
        posted = await session.post(base + "/2018-06-01/runtime/invocation/r1/response", data=b"x" * (MAX_RESPONSE + 1))
        assert posted.status == 413
        name, request, body, error_type = owner.heard[-1]
        assert (name, request, error_type) == ("answered", "r1", "Function.ResponseSizeTooLarge")
        assert json.loads(body)["errorType"] == "Function.ResponseSizeTooLarge"

    run(test)


def test_init_errors_and_unknown_paths() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        assert (await session.post(base + "/2018-06-01/runtime/init/error", data=b'{"errorType":"X"}')).status == 202
        assert owner.heard == [("init failed", b'{"errorType":"X"}')]
        for path in ("/", "/2018-06-01/runtime/nothing", "/2018-06-01/runtime/invocation/r1/what"):
            assert (await session.post(base + path)).status == 404

    run(test)


async def pipelined(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = base.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


def test_an_answer_and_the_wish_for_more_may_come_together_and_are_answered_in_order() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        reader, writer = await pipelined(base)
        more = f"GET {NEXT} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        writer.write(more)
        await heard(owner, 1)
        api.give(work())
        await reader.readuntil(b"\r\n\r\n{}")
        done = b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n42"
        writer.write(done + more)
        await heard(owner, 3)
        api.give(work("r2"))
        taken = await reader.readuntil(b"\r\n\r\n")
        assert taken.startswith(b"HTTP/1.1 202 ")
        following = await reader.readuntil(b"\r\n\r\n{}")
        assert b"Lambda-Runtime-Aws-Request-Id: r2" in following
        assert owner.heard == [("polled",), ("answered", "r1", b"42", None), ("polled",)]
        writer.close()

    run(test)


def test_an_answer_that_comes_alone_is_taken_at_once() -> None:
    async def test(api: RuntimeApi, owner: Owner, session: aiohttp.ClientSession, base: str) -> None:
        reader, writer = await pipelined(base)
        writer.write(f"GET {NEXT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await heard(owner, 1)
        api.give(work())
        await reader.readuntil(b"\r\n\r\n{}")
        head = b"POST /2018-06-01/runtime/invocation/r1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
        for part in (head[:30], head[30:], b"4", b"2"):
            writer.write(part)
            await asyncio.sleep(0.01)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 202 ")
        writer.close()

    run(test)
