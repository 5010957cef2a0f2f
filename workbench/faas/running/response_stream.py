"""A response that leaves its instance before it is whole: chunk by chunk to a sink, no faster than the sink's reader.

The platform keeps at most `HIGH_WATER` bytes of it: when more wait, nothing more is read from the instance, whose own
writes then block.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

MAX_STREAM = 200 * 2**20
"""Largest streamed response in bytes (Lambda quotas)."""

HIGH_WATER, LOW_WATER = 2**20, 2**18
"""Bytes that wait for the reader: from the first on the instance is held back, below the second no longer."""

HTTP_INTEGRATION = "application/vnd.awslambda.http-integration-response"
"""Content type of a stream that begins with a JSON prelude (status, headers, cookies) and eight NULs (Lambda developer
guide, "Response streaming for Lambda functions")."""

PRELUDE_END = b"\0" * 8
_MAX_PRELUDE = 2**20


class Flow(Protocol):
    """Where chunks come from, which can be told to wait."""

    def pause(self) -> None:
        """Send nothing more until `resume`."""

    def resume(self) -> None:
        """Go on."""


class Sink(Protocol):
    """Where a streamed response goes: `begin` once, `write` as often as it takes, `fail` when that was not all."""

    def begin(self, content_type: str, prelude: bytes | None, flow: Flow) -> None:
        """The response begins; with the type HTTP_INTEGRATION its prelude is taken out of it."""

    def write(self, chunk: bytes) -> None:
        """The next bytes."""

    def fail(self, error_type: str, body: bytes) -> None:
        """The response ends before it is whole; `body` is the error as JSON."""


class Inflow:
    """A streamed response as it arrives: passes it to the sink, its prelude apart, until it ends or is too large."""

    def __init__(self, request: str, sink: Sink, content_type: str, flow: Flow) -> None:
        self.request = request
        self.too_large = False
        self._sink = sink
        self._content_type = content_type
        self._flow = flow
        self._size = 0
        self._prelude: bytearray | None = None
        if content_type.partition(";")[0].strip().lower() == HTTP_INTEGRATION:
            self._prelude = bytearray()
        else:
            sink.begin(content_type, None, flow)

    def take(self, part: bytes) -> None:
        """The next bytes from the instance; what is beyond `MAX_STREAM` is dropped."""
        self._size += len(part)
        if self._size > MAX_STREAM:
            part = part[: max(0, len(part) - (self._size - MAX_STREAM))]
            self.too_large = True
        if self._prelude is not None:
            part = self._split(self._prelude, part)
        if part:
            self._sink.write(part)

    def _split(self, gathered: bytearray, part: bytes) -> bytes:
        gathered += part
        prelude, end, rest = bytes(gathered).partition(PRELUDE_END)
        if end:
            self._prelude = None
            self._sink.begin(self._content_type, prelude, self._flow)
            return rest
        if len(gathered) > _MAX_PRELUDE:
            return self._without_prelude()
        return b""

    def _without_prelude(self) -> bytes:
        gathered, self._prelude = self._prelude or b"", None
        self._sink.begin(self._content_type, None, self._flow)
        return bytes(gathered)

    def finish(self, error_type: str | None, body: bytes) -> None:
        """It ended, with an error where `error_type` is given."""
        if self._prelude is not None:
            rest = self._without_prelude()
            if rest:
                self._sink.write(rest)
        if error_type is not None:
            self._sink.fail(error_type, body)


class ResponseStream:
    """A sink to be read with `async for`; nothing is ever written to it when the response is not streamed."""

    def __init__(self) -> None:
        self.content_type = ""
        self.prelude: bytes | None = None
        self.failed = False
        self.started = False
        self._flow: Flow | None = None
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._paused = False
        self._ended = False
        self._abandoned = False
        self._changed = asyncio.Event()

    # ---- Sink --------------------------------------------------------------------------------------------------------

    def begin(self, content_type: str, prelude: bytes | None, flow: Flow) -> None:
        self.content_type, self.prelude, self._flow = content_type, prelude, flow
        self.started = True
        self._changed.set()

    def write(self, chunk: bytes) -> None:
        if self._abandoned or self._ended:
            return
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting >= HIGH_WATER and not self._paused and self._flow is not None:
            self._paused = True
            self._flow.pause()
        self._changed.set()

    def fail(self, error_type: str, body: bytes) -> None:
        self.failed = True

    # ---- for the reader ----------------------------------------------------------------------------------------------

    def end(self) -> None:
        """The invocation is over: what waits may be read, and nothing comes after it."""
        self._ended = True
        self._changed.set()

    async def begun(self) -> bool:
        """Wait until the response begins or the invocation is over; whether it is streamed."""
        while not (self.started or self._ended):
            await self._change()
        return self.started

    def abandon(self) -> None:
        """Nobody reads any more: the instance may write on, and nothing is kept."""
        self._abandoned = True
        self._chunks.clear()
        self._waiting = 0
        self._let_flow()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks as they come, until the invocation is over."""
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk)
                if self._waiting <= LOW_WATER:
                    self._let_flow()
                yield chunk
            if self._ended:
                return
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _let_flow(self) -> None:
        if self._paused and self._flow is not None:
            self._paused = False
            self._flow.resume()
