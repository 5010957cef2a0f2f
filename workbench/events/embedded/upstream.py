"""Requests passed on over a Unix socket, byte for byte but for what concerns a single connection."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from httptools import HttpResponseParser

from workbench.events.embedded.sockets import reachable
from workbench.faas.http_wire import Request

_PART = 2**18
_OPENING = 32  # at the same time: the listener's queue is short
_OF_A_CONNECTION = {
    b"connection",
    b"content-length",
    b"expect",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
}


@dataclass
class Response:
    """What came back; names of headers as they came."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


class Upstream:
    """A server behind a Unix socket; connections are kept and used again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._opening = asyncio.Semaphore(_OPENING)

    async def send(self, request: Request) -> Response:
        """The response to a request. Raises OSError when the server is gone."""
        reader, writer = self._idle.pop() if self._idle else await self._open()
        try:
            writer.write(_head(request) + request.body)
            await writer.drain()
            response = await _receive(reader, bodiless=request.method == "HEAD")
        except BaseException:  # cancelled, too: what is still to come belongs to this request
            writer.close()
            raise
        if any(name.lower() == "connection" and value.lower() == "close" for name, value in response.headers):
            writer.close()
        else:
            self._idle.append((reader, writer))
        return response

    def close(self) -> None:
        """End the connections that nothing runs on."""
        while self._idle:
            self._idle.pop()[1].close()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._opening:
            return await asyncio.open_unix_connection(reachable(self._path), limit=_PART)


def _head(request: Request) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1".encode("latin-1")]
    lines += [name + b": " + value for name, value in request.raw_headers if name.lower() not in _OF_A_CONNECTION]
    lines.append(b"Content-Length: %d\r\n\r\n" % len(request.body))
    return b"\r\n".join(lines)


class _Parsed:
    """What `HttpResponseParser` calls."""

    def __init__(self) -> None:
        self.response = Response()
        self.parts: list[bytes] = []
        self.has_head = self.is_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.response.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        self.is_whole = True


async def _receive(reader: asyncio.StreamReader, *, bodiless: bool) -> Response:
    parsed = _Parsed()
    parser = HttpResponseParser(parsed)
    while not (parsed.is_whole or (bodiless and parsed.has_head)):
        data = await reader.read(_PART)
        if not data:
            raise ConnectionResetError("The connection ended before the response was whole.")
        parser.feed_data(data)
    parsed.response.status = parser.get_status_code()
    parsed.response.body = b"".join(parsed.parts)
    return parsed.response
