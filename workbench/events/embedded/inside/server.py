"""moto's services as one WSGI application: a request's events are handed over before it is answered."""

from __future__ import annotations

import io
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sns import models as sns
from moto.sqs import models as sqs
from werkzeug.serving import BaseWSGIServer, make_server

from workbench.events.embedded.inside import quick_queues
from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace
from workbench.events.embedded.inside.turn import Turn
from workbench.events.embedded.sockets import reachable

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(frozen=True)
class Asked:
    """Of the request that a thread works on: its id, the access key that it came with, and its query."""

    id: str = "0000000000000000"
    access_key: str = ""
    query: str = ""


_here = threading.local()


def asked() -> Asked:
    """The request that this thread works on."""
    now: Asked = getattr(_here, "asked", Asked())
    return now


class Application:
    """All services."""

    def __init__(self, outbox: Outbox) -> None:
        self._services = DomainDispatcherApplication(create_backend_app)
        self._outbox = outbox
        self._turn = Turn()
        quick_queues.install()
        self._wait_aside()

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """One request; moto's own API of its insides is not reached."""
        if environ.get("PATH_INFO", "").startswith("/moto-api"):
            start("404 Not Found", [("Content-Length", "0")])
            return [b""]
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        _here.asked = Asked(secrets.token_hex(8).upper(), _access_key(environ), environ.get("QUERY_STRING", ""))
        head: list[Any] = []
        try:
            with self._turn.taken():
                body = b"".join(self._services(environ, lambda status, headers, _=None: head.extend((status, headers))))
        finally:
            self._outbox.hand_over()
        start(head[0], _named(head[1], asked().id))
        return [body]

    def _wait_aside(self) -> None:
        """What waits inside moto must not hold up all others: long polls of queues, and calls of web hooks."""

        def wait_for_messages(queue: Any, timeout: int) -> None:
            with self._turn.aside():
                wait(queue, timeout)

        def call(*values: Any, **named: Any) -> Any:
            with self._turn.aside():
                return post(*values, **named)

        wait = replace(sqs.Queue, "wait_for_messages", wait_for_messages)
        post = replace(sns, "requests", SimpleNamespace(post=call)).post


def _named(headers: list[tuple[str, str]], identity: str) -> list[tuple[str, str]]:
    """Headers that give the request the id which its events name; S3 calls it otherwise than the other services."""
    rest = [(name, value) for name, value in headers if name.lower() not in ("x-amz-request-id", "x-amzn-requestid")]
    return [*rest, ("x-amz-request-id", identity), ("x-amzn-RequestId", identity)]


class _Quiet(MotoRequestHandler):
    """Writes no line for each request."""

    def log(self, type: str, message: str, *args: Any) -> None:
        if type == "error":
            super().log(type, message, *args)


def make(path: str, outbox: Outbox) -> BaseWSGIServer:
    """The server, listening on a Unix socket."""
    return make_server(f"unix://{reachable(path)}", 0, Application(outbox), threaded=True, request_handler=_Quiet)


def _access_key(environ: Environ) -> str:
    given: str = environ.get("HTTP_AUTHORIZATION") or environ.get("QUERY_STRING", "").replace("%2F", "/")
    return given.partition("Credential=")[2].partition("/")[0]
