"""HTTP/1.1 from the bytes of one connection to requests, for the platform's front and for each instance's Runtime API.

llhttp (`httptools`) does the parsing. Whoever is at the other end is not trusted, so every length is bounded. A body is
gathered, or handed on part by part to who asks for it when its head is there.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from http import HTTPStatus

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

PHRASES = {s.value: s.phrase for s in HTTPStatus}


class Request:
    """One request: `target` is its path with query, still encoded; `raw_headers` as they came, trailers among them."""

    __slots__ = ("_headers", "body", "cut", "keep_alive", "length", "method", "old", "raw_headers", "target")

    def __init__(self, method: str, target: str, raw_headers: list[tuple[bytes, bytes]], body: bytes = b"") -> None:
        self.method = method
        self.target = target
        self.raw_headers = raw_headers
        self.body = body
        self.length: int | None = 0  # of the body as its head announces it; None when that is open (chunked)
        self.cut = False  # the body is larger than the connection takes, and left out
        self.keep_alive = True
        self.old = False  # HTTP/1.0: knows no chunks, and keeps a connection only when told so
        self._headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        """By name in any case; several values of one name are joined by commas."""
        if self._headers is None:
            self._headers = Headers(self.raw_headers)
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        """The last value of `name`, which is in lower case, without decoding all others."""
        found = None
        for key, value in self.raw_headers:
            if len(key) == len(name) and key.lower() == name:
                found = value
        return found


class Headers(dict[str, str]):
    """Header fields; names in lower case, looked up in any."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        for name, value in raw:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            self[key] = f"{self[key]},{text}" if key in self else text

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name.lower() if isinstance(name, str) else name)

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """The value, or `default`."""
        return super().get(name.lower(), default)


class BadRequest(Exception):
    """Not HTTP that we take; `status` is the answer, after which the connection is closed."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message or PHRASES[status])
        self.status = status


class Connection(asyncio.Protocol):
    """One connection; `handle` is called with every whole request, in order.

    `max_head` bounds a request's line, headers and trailers, `max_body` a gathered body, in bytes: a larger body is
    refused, or with `cut` read to its end and left out.
    """

    transport: asyncio.Transport

    def __init__(self, max_head: int, max_body: int, *, cut: bool = False) -> None:
        self._max_head = max_head
        self._max_body = max_body
        self._cut = cut
        self._parser = HttpRequestParser(self)
        self._refused = False
        self._request: Request | None = None  # from the end of its head to the end of its body
        self._url = b""
        self._raw: list[tuple[bytes, bytes]] = []
        self._fed = 0  # bytes since the last that were of a body or ended a request
        self._parts: list[bytes] = []
        self._gathered = 0
        self._take: Callable[[bytes], None] = self._gather
        self._awaits_continue = False
        self._upgrading = False

    # ---- for subclasses ----------------------------------------------------------------------------------------------

    @abstractmethod
    def handle(self, request: Request) -> None:
        """Answer one request now or later with `answer`."""

    def begin(self, request: Request) -> Callable[[bytes], None] | None:
        """The head of a request is there: who takes its body part by part; None gathers it."""
        return None

    def refuse(self, error: BadRequest) -> None:
        """Answer what is no request; nothing more is read."""
        self.answer(error.status, b"")
        self.transport.close()

    def ask_for_body(self) -> None:
        """The body is still to come, and its sender waits for a word."""
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def answer(self, status: int, body: bytes, headers: str = "Content-Type: application/json\r\n") -> None:
        """Send one response; `headers` is complete lines."""
        head = f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode("latin-1") + body)

    @property
    def mid_request(self) -> bool:
        """Whether a request began to arrive and is not whole yet."""
        return self._request is not None or self._fed > 0

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's transports are not asyncio's classes

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._fed += len(data)
        try:
            self._feed(data)
            if self._fed > self._max_head:
                raise BadRequest(431)
            if self._awaits_continue:
                self._awaits_continue = False
                self.ask_for_body()
        except BadRequest as error:
            self._refused = True
            self.refuse(error)

    def _feed(self, data: bytes) -> None:
        try:
            while data:
                try:
                    self._parser.feed_data(data)
                    return
                except HttpParserUpgrade as upgrade:
                    data = self._not_upgraded() + data[upgrade.args[0] :]
        except HttpParserCallbackError as error:
            if isinstance(error.__context__, BadRequest):
                raise error.__context__ from None
            raise
        except HttpParserError as error:
            raise BadRequest(400, str(error)) from None

    def _not_upgraded(self) -> bytes:
        """A wish for another protocol may be ignored (RFC 9110, 7.8); llhttp stops there, before the request's body.

        A new parser goes on after a head that says of this request only how long its body is.
        """
        assert self._request is not None
        self._parser = HttpRequestParser(self)
        framing = [n + b": " + v for n, v in self._raw if n.lower() in (b"content-length", b"transfer-encoding")]
        return b"\r\n".join([b"POST / HTTP/1.1", *framing, b"", b""])

    # ---- what the parser says ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self._upgrading:
            self._url, self._raw = b"", []

    def on_url(self, url: bytes) -> None:
        if not self._upgrading:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._upgrading:
            self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        if self._upgrading:
            self._upgrading = False
            return
        if self._fed > self._max_head and sum(len(n) + len(v) for n, v in self._raw) > self._max_head:
            raise BadRequest(431)
        request = Request(self._parser.get_method().decode(), self._url.decode("latin-1"), self._raw)
        request.keep_alive = self._parser.should_keep_alive()
        request.old = self._parser.get_http_version() == "1.0"
        self._request = request
        self._upgrading = self._parser.should_upgrade()
        for name, value in self._raw:  # once for each request: not by way of `headers`, which decodes them all
            size = len(name)
            if size == 14 and name.lower() == b"content-length":
                request.length = int(value)
            elif size == 17 and name.lower() == b"transfer-encoding":
                request.length = None
            elif size == 6 and name.lower() == b"expect":
                self._awaits_continue = value.lower() == b"100-continue"
        self._take = self.begin(request) or self._gather
        if request.length is not None and request.length > self._max_body and self._take == self._gather:
            self._too_large()

    def on_body(self, part: bytes) -> None:
        self._fed = 0
        self._awaits_continue = False
        self._take(part)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        request = self._request
        assert request is not None
        parts = self._parts
        if parts:
            request.body = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts = []
        self._gathered = 0
        self._request = None
        self._fed = 0
        self._awaits_continue = False
        self._take = self._gather
        self.handle(request)

    def _gather(self, part: bytes) -> None:
        self._gathered += len(part)
        if self._gathered > self._max_body:
            self._too_large()
        else:
            self._parts.append(part)

    def _too_large(self) -> None:
        if not self._cut or self._request is None:
            raise BadRequest(413)
        self._request.cut = True
        self._parts = []
