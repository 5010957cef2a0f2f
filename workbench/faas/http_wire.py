"""HTTP/1.1 requests as an instance's runtime client sends them, read without a framework.

Each instance has a server of its own, and each warm invocation passes it twice: that is why this is a plain
`asyncio.Protocol`. What runs inside an instance is not trusted, so every length is bounded.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD = 1_200_000
"""awslambdaric sends an error's trace as one header of up to 1 MiB."""

MAX_BODY = 6 * 1024 * 1024 + 100_000
"""Lambda's 6 MB response and something for the envelope of an error."""


@dataclass(slots=True)
class Request:
    """One request; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class BadRequest(Exception):
    """Not HTTP that we take; `status` is the answer, after which the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class RequestReader:
    """Turns the bytes of one connection into requests."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: Request | None = None
        self._length: int | None = 0  # None: chunked
        self._chunks = bytearray()
        self._seen = 0  # up to where the buffer was searched for the end of a head
        self.expects_continue = False

    def feed(self, data: bytes) -> None:
        """Take in what arrived."""
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request, or None until more arrives; raises BadRequest."""
        if self._head is None and not self._read_head():
            return None
        body = self._read_sized() if self._length is not None else self._read_chunked()
        if body is None:
            return None
        request, self._head = self._head, None
        self.expects_continue = False
        assert request is not None
        request.body = body
        return request

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
        if end < 0:
            self._seen = len(self._buffer)
            if self._seen > MAX_HEAD:
                raise BadRequest(431)
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        self._seen = 0
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest(400)
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BadRequest(400)
            headers[name.lower()] = value.strip()
        self._head = Request(parts[0], parts[1], headers)
        self._length = self._body_length(headers)
        self.expects_continue = headers.get("expect", "").lower() == "100-continue"
        return True

    @staticmethod
    def _body_length(headers: dict[str, str]) -> int | None:
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or "content-length" in headers:
                raise BadRequest(400)
            return None
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise BadRequest(400)
        if len(text) > 12 or int(text) > MAX_BODY:
            raise BadRequest(413)
        return int(text)

    def _read_sized(self) -> bytes | None:
        length = self._length
        assert length is not None
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _read_chunked(self) -> bytes | None:
        assert self._head is not None
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > 4096:
                    raise BadRequest(400)
                return None
            try:
                size = int(self._buffer[:end].split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400) from None
            if size < 0 or size + len(self._chunks) > MAX_BODY:
                raise BadRequest(413)
            if size == 0:
                return self._read_trailers(end)
            if len(self._buffer) < end + 2 + size + 2:
                return None
            self._chunks += self._buffer[end + 2 : end + 2 + size]
            if self._buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise BadRequest(400)
            del self._buffer[: end + 4 + size]

    def _read_trailers(self, end: int) -> bytes | None:
        """After the last chunk: header lines (a streamed response's error arrives so) up to an empty line."""
        assert self._head is not None
        stop = self._buffer.find(b"\r\n\r\n", end)
        if stop < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest(431)
            return None
        for line in self._buffer[end:stop].decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                self._head.headers[name.strip().lower()] = value.strip()
        del self._buffer[: stop + 4]
        body, self._chunks = bytes(self._chunks), bytearray()
        return body


class Connection(asyncio.Protocol):
    """One connection of a runtime client; `handle` is called with every request, in order."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._reader = RequestReader()

    @abstractmethod
    def handle(self, request: Request) -> None:
        """Answer one request now or later with `answer`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's classes

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (request := self._reader.next()) is not None:
                self.handle(request)
            if self._reader.expects_continue:  # the body is still to come, and its sender waits for this
                self._reader.expects_continue = False
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        except BadRequest as error:
            self.answer(error.status, b"")
            self.transport.close()

    def answer(self, status: int, body: bytes, headers: str = "Content-Type: application/json\r\n") -> None:
        """Send one response; `headers` is complete lines."""
        head = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode("latin-1") + body)


_PHRASES = {s.value: s.phrase for s in HTTPStatus}
