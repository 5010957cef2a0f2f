"""The Lambda Runtime API of one instance, on the listener that was made inside it (API version 2018-06-01).

`/next` waits as long as there is nothing to do; every wrong word is answered with the API's own errors, so a broken
runtime can neither end the platform nor answer for another invocation. How a response is streamed: Lambda developer
guide, "Building a custom runtime", response streaming.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from workbench.faas.http_wire import PHRASES, Connection, Request
from workbench.faas.running.response_stream import MAX_STREAM, Inflow
from workbench.faas.running.response_stream import Sink as Sink

_BASE = "/2018-06-01/runtime/"
_NEXT = _BASE + "invocation/next"
_INVOCATION = _BASE + "invocation/"
_FAILED = (_BASE + "init/error", _BASE + "restore/error")

MAX_RESPONSE = 6 * 1024 * 1024
"""Largest response of an invocation in bytes that is not streamed (Lambda quotas)."""

MAX_HEAD = 1_200_000
"""Bytes. awslambdaric sends an error's trace as one header of up to 1 MiB."""

_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"OK"}'


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation as the instance gets it: `head` is its header lines; a streamed response goes to `sink`."""

    request: str
    head: str
    payload: bytes
    sink: Sink | None = None


class Owner(Protocol):
    """Who is told what an instance says."""

    def polled(self) -> None:
        """It asked for its next invocation, having answered the last."""

    def answered(self, request: str, body: bytes, *, error_type: str | None, streamed: bool = False) -> None:
        """It answered, with the handler's error where `error_type` is given.

        When `streamed`, the answer went to the work's sink, and `body` is empty or the error that ended it.
        """

    def init_failed(self, body: bytes) -> None:
        """It could not load the service."""


class RuntimeApi:
    """Serves one instance; the owner hears `polled` once for every invocation it may hand out."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._server: asyncio.Server | None = None
        self._connections: set[_RuntimeConnection] = set()
        self._waiting: _RuntimeConnection | None = None
        self._asked = False  # the owner was told of a poll and gave no work for it yet
        self._undelivered: Work | None = None
        self._running: Work | None = None
        self._inflow: Inflow | None = None  # the streamed response that is on its way

    async def serve(self, listener: socket.socket) -> None:
        """Take connections on `listener`, which belongs to this object from now on."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _RuntimeConnection(self), sock=listener)

    def give(self, work: Work) -> None:
        """Hand out one invocation: to the waiting poll, or when its connection broke, to the next one."""
        self._asked = False
        self._running = work
        if self._waiting is None:
            self._undelivered = work
            return
        self._waiting.answer(200, work.payload, work.head)
        self._waiting = None

    @property
    def undelivered(self) -> bool:
        """Whether work was handed out that the instance cannot have seen."""
        return self._undelivered is not None

    def close(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.transport.abort()

    # ---- what connections say --------------------------------------------------------------------------------------

    def opened(self, connection: _RuntimeConnection) -> None:
        self._connections.add(connection)

    def closed(self, connection: _RuntimeConnection) -> None:
        self._connections.discard(connection)
        if self._waiting is connection:
            self._waiting = None

    def begin(self, connection: _RuntimeConnection, request: Request) -> Callable[[bytes], None] | None:
        """Who takes the response whose head is there part by part, if it is one to be streamed."""
        running = self._running
        if running is None or running.sink is None or self._inflow is not None:
            return None
        if request.method != "POST" or request.target != f"{_INVOCATION}{running.request}/response":
            return None
        if (request.header(b"lambda-runtime-function-response-mode") or b"").lower() != b"streaming":
            return None
        content_type = (request.header(b"content-type") or b"application/octet-stream").decode("latin-1")
        self._inflow = connection.inflow = Inflow(running.request, running.sink, content_type, connection)
        return self._inflow.take

    def handle(self, connection: _RuntimeConnection, request: Request) -> None:
        target = request.target
        if target == _NEXT and request.method == "GET":
            self._next(connection)
        elif target.startswith(_INVOCATION) and request.method == "POST":
            self._answer(connection, request)
        elif target in _FAILED and request.method == "POST":
            self._owner.init_failed(request.body)
            connection.accept()
        elif target == _BASE + "restore/next":
            _refuse(connection, 404, "NotFound", "This instance was not restored from a snapshot.")
        else:
            _refuse(connection, 404, "NotFound", f"There is no {request.method} {target}.")

    def _next(self, connection: _RuntimeConnection) -> None:
        if self._inflow is not None:
            self._cut_short(self._inflow)
        if self._running is not None and self._undelivered is None:
            _refuse(connection, 403, "InvalidStateTransition", f"Answer {self._running.request} first.")
            return
        if self._waiting is not None and self._waiting is not connection:
            self._waiting.transport.close()
        self._waiting = connection
        if self._undelivered is not None:
            work, self._undelivered = self._undelivered, None
            self.give(work)
        elif not self._asked:
            self._asked = True
            self._owner.polled()

    def _answer(self, connection: _RuntimeConnection, request: Request) -> None:
        name, _, what = request.target[len(_INVOCATION) :].partition("/")
        running = self._running
        inflow, connection.inflow = connection.inflow, None
        if what not in ("response", "error"):
            _refuse(connection, 404, "NotFound", f"There is no {request.target}.")
        elif running is None or name != running.request or (what == "response" and inflow is not self._inflow):
            _refuse(connection, 400, "InvalidRequestID", "Invalid request ID")
        elif request.cut or (inflow is not None and inflow.too_large):
            self._too_large(connection, inflow)
        else:
            error_type, body = _error_of(request, what)
            self._settle(self._inflow, request.body if body is None else body, error_type)
            connection.accept_soon(self._is_waiting)

    def _is_waiting(self, connection: _RuntimeConnection) -> bool:
        return self._waiting is connection

    def _settle(self, inflow: Inflow | None, body: bytes, error_type: str | None) -> None:
        """What runs is answered: tell the owner."""
        running, self._running, self._inflow = self._running, None, None
        assert running is not None
        if inflow is None:
            self._owner.answered(running.request, body, error_type=error_type)
        else:
            inflow.finish(error_type, body)
            self._owner.answered(running.request, body, error_type=error_type, streamed=True)

    def _too_large(self, connection: _RuntimeConnection, inflow: Inflow | None) -> None:
        limit = MAX_RESPONSE if inflow is None else MAX_STREAM
        _refuse(connection, 413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({limit} bytes).")
        message = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
        self._settle(inflow, _error_body("Function.ResponseSizeTooLarge", message), "Function.ResponseSizeTooLarge")

    def _cut_short(self, inflow: Inflow) -> None:
        """The runtime asks for more work, but its streamed response never came to its end."""
        message = "The connection that the response was streamed on ended before the response did."
        self._settle(inflow, _error_body("Runtime.TruncatedResponse", message), "Runtime.TruncatedResponse")


class _RuntimeConnection(Connection):
    """One connection of the runtime; also the flow of a response that is streamed on it."""

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(MAX_HEAD, MAX_RESPONSE, cut=True)
        self.inflow: Inflow | None = None
        self._api = api
        self._loop = asyncio.get_running_loop()
        self._owes = False  # that what was posted is taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._api.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.closed(self)

    def begin(self, request: Request) -> Callable[[bytes], None] | None:
        return self._api.begin(self, request)

    def handle(self, request: Request) -> None:
        self._api.handle(self, request)

    def accept(self) -> None:
        """Answer that what was posted is taken."""
        self.transport.write(_ACCEPTED)

    def accept_soon(self, waits: Callable[[_RuntimeConnection], bool]) -> None:
        """The same in the loop's next round, behind the caller's answer: a send is what costs most, and callers wait.

        Where the runtime asked for more in the same breath it `waits` for that anyway: then both go as one.
        """
        self._owes = True
        self._loop.call_soon(self._accept_unless, waits)

    def _accept_unless(self, waits: Callable[[_RuntimeConnection], bool]) -> None:
        if self._owes and not waits(self):
            self._owes = False
            self.accept()

    def answer(self, status: int, body: bytes, headers: str = "Content-Type: application/json\r\n") -> None:
        """Send one response, behind what is still owed."""
        head = f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        owed, self._owes = (_ACCEPTED if self._owes else b""), False
        self.transport.write(owed + head.encode("latin-1") + body)

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


def _error_of(request: Request, what: str) -> tuple[str | None, bytes | None]:
    """The handler's error in an answer, if it is one; with its body where that came in a trailer."""
    header = request.header(b"lambda-runtime-function-error-type")
    error_type = header.decode("latin-1") if header is not None else None
    if what == "error":
        return error_type or "Unhandled", None
    if error_type is None:
        return None, None
    encoded = request.header(b"lambda-runtime-function-error-body")
    if encoded is None:
        return error_type, None
    try:
        return error_type, base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return error_type, _error_body(error_type, "The error's body in the trailer is not base64.")


def _refuse(connection: Connection, status: int, kind: str, message: str) -> None:
    connection.answer(status, _error_body(kind, message))


def _error_body(kind: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()
