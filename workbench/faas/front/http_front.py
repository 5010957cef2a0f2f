"""The platform's front: takes connections of clients, hands their requests on one by one, and sends the answers.

A client that is slow, silent or gone costs a few kilobytes and nobody else's time: what does not go on is ended by one
look at all connections each second. When there are too many, the one that has been idle longest makes room.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from workbench.faas.front.api_model import Answer
from workbench.faas.http_wire import PHRASES, BadRequest, Connection, Request

MAX_HEAD = 64 * 1024
"""Of a request's line and headers, in bytes; a client context alone has up to 3.5 KB."""

_QUEUED = 8  # requests that a client may send ahead before it is read no further
_JOINED = 64 * 1024  # up to this size head and body are one write
_LARGE = 100_000
_SWEEP_S = 1.0
_LINGER_S = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds a connection may stand still: before a head is whole, within a body, idle, unread."""

    head_s: float = 20.0
    body_s: float = 20.0
    idle_s: float = 75.0
    unread_s: float = 60.0


@dataclass(frozen=True)
class Streamed:
    """An answer that is sent as it comes into being; with a Content-Length among its headers as such, else chunked.

    When the client goes, `chunks` is cancelled where it waits.
    """

    status: int
    chunks: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


class Handler(Protocol):
    """Who answers requests."""

    def handle(self, request: Request) -> Awaitable[Answer | Streamed]:
        """The answer to one request; raises nothing."""

    def admit(self, request: Request) -> None:
        """Raise BadRequest unless a body of 100,000 bytes or more, or of unknown length, shall be taken in."""

    def refusal(self, error: BadRequest) -> Answer:
        """The answer to what is no request that is taken."""


class Front:
    """A listener and its connections, at most `connections` at a time."""

    def __init__(self, handler: Handler, max_body: int, connections: int, patience: Patience = Patience()) -> None:
        self.handler = handler
        self.max_body = max_body
        self.patience = patience
        self.stopping = False
        self._most = connections
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._date = (0, "")

    async def listen(self, host: str, port: int) -> int:
        """Take connections from now on; the port, which `port` 0 leaves to the system. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self, loop), host, port, backlog=1024)
        self._sweeper = loop.create_task(self._sweep())
        return int(self._server.sockets[0].getsockname()[1])

    def stop_listening(self) -> None:
        """Take no new connections, end idle ones; requests that run go on, and are the last of their connection."""
        self.stopping = True
        if self._server is not None:
            self._server.close()
            self._server = None
        for client in list(self._clients):
            if client.idle_since is not None:
                client.transport.close()

    async def close(self, grace_s: float = 1.0) -> None:
        """End everything; answers that are on their way get so many seconds."""
        self.stop_listening()
        deadline = time.monotonic() + grace_s
        while any(client.busy for client in self._clients) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for client in list(self._clients):
            client.transport.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

    def date(self) -> str:
        """The time of day as HTTP has it."""
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True))
        return self._date[1]

    # ---- what connections say ----------------------------------------------------------------------------------------

    def opened(self, client: _Client) -> bool:
        """Take a connection in; False when there is no room for it."""
        if len(self._clients) >= self._most and not self._make_room():
            return False
        self._clients.add(client)
        return True

    def closed(self, client: _Client) -> None:
        self._clients.discard(client)

    def _make_room(self) -> bool:
        idle = [(client.idle_since, id(client), client) for client in self._clients if client.idle_since is not None]
        if not idle:
            return False
        client = min(idle)[2]
        self._clients.discard(client)
        client.transport.abort()
        return True

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            now = loop.time()
            for client in list(self._clients):
                client.look(now)


class _Client(Connection):
    """One connection; its requests are answered in the order they came in."""

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(MAX_HEAD, front.max_body)
        self._front = front
        self._loop = loop
        self._queue: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._streaming = False
        self._held = False  # nothing more is read until the queue is shorter
        self._last = False  # nothing more is taken: what is queued is answered, then the connection closes
        self._refused_at: float | None = None
        self._room: asyncio.Event | None = None  # while the client does not read: set when it does
        self._began = self._heard = loop.time()
        self._unread = (0, 0.0)

    # ---- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if not self._front.opened(self):
            self.refuse(BadRequest(503, "There are too many connections; close some, or try again later."))

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        if not self._fed and self._request is None:
            self._began = self._heard
        super().data_received(data)

    def eof_received(self) -> bool:
        """It sends no more, but may still read: what it asked for is answered. In the middle of a stream it is gone."""
        self._last = True
        return self.busy and not self._streaming and self._refused_at is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._front.closed(self)
        self._queue.clear()
        if self._room is not None:
            self._room.set()
        if self._task is not None and self._streaming:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def begin(self, request: Request) -> None:
        if request.length is None or request.length >= _LARGE:
            self._front.handler.admit(request)

    def ask_for_body(self) -> None:
        if not self.busy:  # else it would stand before the answer to an earlier request
            super().ask_for_body()

    # ---- requests ----------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited or on its way."""
        return self._task is not None or self.transport.get_write_buffer_size() > 0

    @property
    def idle_since(self) -> float | None:
        """When it last sent something, if there is nothing it waits for nor a request on its way."""
        return None if self.busy or self.mid_request or self._refused_at is not None else self._heard

    def handle(self, request: Request) -> None:
        if self._last:
            return
        self._last = not request.keep_alive
        if self._task is None:
            self._task = self._loop.create_task(self._serve(request))
            return
        self._queue.append(request)
        if len(self._queue) >= _QUEUED and not self._held:
            self._held = True
            self.transport.pause_reading()

    async def _serve(self, request: Request) -> None:
        """Answer this request and those that queue behind it."""
        try:
            while True:
                answer = await self._front.handler.handle(request)
                closes = self._front.stopping or (self._last and not self._queue)
                if isinstance(answer, Answer):
                    self._send(request, answer, closes)
                else:
                    await self._stream(request, answer, closes)
                if self._room is not None:
                    await self._room.wait()
                if closes or (self._last and not self._queue) or self.transport.is_closing():
                    self.transport.close()
                    return
                if not self._queue:
                    return
                request = self._queue.popleft()
                if self._held and not self._queue:
                    self._held = False
                    self.transport.resume_reading()
        except Exception:  # a handler raises nothing; if it does, its client must not wait for ever
            traceback.print_exc(file=sys.stderr)
            self.transport.abort()
        finally:
            self._task = None

    def _send(self, request: Request, answer: Answer, closes: bool) -> None:
        if self.transport.is_closing():
            return
        body = answer.body
        head = self._head(request, answer.status, answer.headers, closes)
        head += b"\r\n" if answer.status == 204 else b"Content-Length: %d\r\n\r\n" % len(body)
        if request.method == "HEAD":
            body = b""
        if len(body) <= _JOINED:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def _head(self, request: Request | None, status: int, headers: Mapping[str, str], closes: bool) -> bytes:
        lines = [f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\nDate: {self._front.date()}\r\n"]
        for name, value in headers.items():
            if "\r" in value or "\n" in value:
                value = value.replace("\r", " ").replace("\n", " ")
            lines.append(f"{name}: {value}\r\n")
        if closes:
            lines.append("Connection: close\r\n")
        elif request is not None and request.old:
            lines.append("Connection: keep-alive\r\n")
        return "".join(lines).encode("latin-1", "replace")

    async def _stream(self, request: Request, answer: Streamed, closes: bool) -> None:
        sized = "Content-Length" in answer.headers
        chunked = not sized and not request.old
        closes = closes or not (sized or chunked)
        self._last = self._last or closes
        head = self._head(request, answer.status, answer.headers, closes)
        self.transport.write(head + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        self._streaming = True
        try:
            if request.method != "HEAD":
                async for chunk in answer.chunks:
                    if self._room is not None:
                        await self._room.wait()
                    if self.transport.is_closing():
                        return
                    if chunk:
                        self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
                if chunked:
                    self.transport.write(b"0\r\n\r\n")
        except Exception:  # the head is sent: only a cut connection can say that the rest does not come
            traceback.print_exc(file=sys.stderr)
            self.transport.abort()
        finally:
            self._streaming = False
            close = getattr(answer.chunks, "aclose", None)
            if close is not None:
                await close()

    # ---- clients that are not as they should be ----------------------------------------------------------------------

    def refuse(self, error: BadRequest) -> None:
        """Answer, and take in without looking what the client still sends: a reset could overtake the answer."""
        self._refused = self._last = True
        self._refused_at = self._heard = self._loop.time()
        if self._task is not None:  # what came before is answered, in order; then the connection closes
            return
        answer = self._front.handler.refusal(error)
        head = self._head(None, answer.status, answer.headers, closes=True)
        self.transport.write(head + b"Content-Length: %d\r\n\r\n" % len(answer.body) + answer.body)
        with contextlib.suppress(OSError, RuntimeError):
            self.transport.write_eof()

    def look(self, now: float) -> None:
        """End the connection if it stood still for too long."""
        patience = self._front.patience
        if self._refused_at is not None:
            if self._task is None and (now > self._heard + _LINGER_S or now > self._refused_at + patience.body_s):
                self.transport.abort()
        elif (waiting := self.transport.get_write_buffer_size()) > 0:
            if waiting != self._unread[0]:
                self._unread = (waiting, now)
            elif now > self._unread[1] + patience.unread_s:
                self.transport.abort()
        elif self._task is not None:
            pass
        elif self._request is not None:
            if now > self._heard + patience.body_s:
                self.refuse(BadRequest(408, f"The rest of the body did not come within {patience.body_s:g} seconds."))
        elif self._fed:
            if now > self._began + patience.head_s:
                self.refuse(BadRequest(408, f"The headers did not come within {patience.head_s:g} seconds."))
        elif now > self._heard + patience.idle_s:
            self.transport.close()
