"""The Lambda Runtime API of one instance, on the listener that was made inside it (API version 2018-06-01).

`/next` waits as long as there is nothing to do; every wrong word is answered with the API's own errors, so a broken
runtime can neither end the platform nor answer for another invocation.
"""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass
from typing import Protocol

from workbench.faas.http_wire import Connection, Request

_BASE = "/2018-06-01/runtime/"
MAX_RESPONSE = 6 * 1024 * 1024
"""Largest response of a synchronous invocation in bytes (Lambda quotas)."""


class Sink(Protocol):
    """Where a response goes that the function streams, part by part as it arrives."""

    def begin(self, content_type: str, prelude: bytes | None) -> None:
        """A streamed response begins; `prelude` is the JSON before it that says status and headers, if it has one."""

    def write(self, chunk: bytes) -> None:
        """The next part."""

    def fail(self, error_type: str, body: bytes) -> None:
        """The function failed after it had begun."""


@dataclass(frozen=True, slots=True)
class Work:
    """One invocation as the instance gets it: `head` is its header lines; what it streams goes to `sink`."""

    request: str
    head: str
    payload: bytes
    sink: Sink | None = None


class Owner(Protocol):
    """Who is told what an instance says."""

    def polled(self) -> None:
        """It asked for its next invocation, having answered the last."""

    def answered(self, request: str, body: bytes, *, error_type: str | None, streamed: bool = False) -> None:
        """It answered, with the handler's error where `error_type` is given; `streamed`: the body went to the sink."""

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
        self._running = ""

    async def serve(self, listener: socket.socket) -> None:
        """Take connections on `listener`, which belongs to this object from now on."""
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _RuntimeConnection(self), sock=listener)

    def give(self, work: Work) -> None:
        """Hand out one invocation: to the waiting poll, or when its connection broke, to the next one."""
        self._asked = False
        self._running = work.request
        if self._waiting is None:
            self._undelivered = work
            return
        self._waiting.answer(200, work.payload, work.head)
        self._waiting = None

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

    def handle(self, connection: _RuntimeConnection, request: Request) -> None:
        if not request.path.startswith(_BASE):
            _refuse(connection, 404, "NotFound", f"There is no {request.path}.")
            return
        path = request.path[len(_BASE) :]
        if path == "invocation/next" and request.method == "GET":
            self._next(connection)
        elif path.startswith("invocation/") and request.method == "POST":
            self._answer(connection, request, path[len("invocation/") :])
        elif path == "init/error" and request.method == "POST":
            self._owner.init_failed(request.body)
            _accept(connection)
        elif path in ("restore/next", "restore/error"):
            _refuse(connection, 404, "NotFound", "This instance was not restored from a snapshot.")
        else:
            _refuse(connection, 404, "NotFound", f"There is no {request.method} {request.path}.")

    def _next(self, connection: _RuntimeConnection) -> None:
        if self._running and self._undelivered is None:
            _refuse(connection, 403, "InvalidStateTransition", f"Answer {self._running} first.")
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

    def _answer(self, connection: _RuntimeConnection, request: Request, path: str) -> None:
        name, _, what = path.partition("/")
        if what not in ("response", "error"):
            _refuse(connection, 404, "NotFound", f"There is no {request.path}.")
            return
        if not self._running or name != self._running:
            _refuse(connection, 400, "InvalidRequestID", "Invalid request ID")
            return
        self._running = ""
        error_type = request.headers.get("lambda-runtime-function-error-type")
        if what == "error":
            error_type = error_type or "Unhandled"
        if len(request.body) > MAX_RESPONSE:
            _refuse(connection, 413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
            body = _error_body(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).",
            )
            self._owner.answered(name, body, error_type="Function.ResponseSizeTooLarge")
            return
        self._owner.answered(name, request.body, error_type=error_type)
        # In the loop's next round, behind the caller's answer: a send is what costs most, and the caller waits.
        asyncio.get_running_loop().call_soon(_accept, connection)


class _RuntimeConnection(Connection):
    def __init__(self, api: RuntimeApi) -> None:
        super().__init__()
        self._api = api

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._api.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._api.closed(self)

    def handle(self, request: Request) -> None:
        self._api.handle(self, request)


def _accept(connection: Connection) -> None:
    connection.answer(202, b'{"status":"OK"}')


def _refuse(connection: Connection, status: int, kind: str, message: str) -> None:
    connection.answer(status, _error_body(kind, message))


def _error_body(kind: str, message: str) -> bytes:
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()
