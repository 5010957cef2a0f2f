"""What an SDK has no word for, under `/_workbench/`: health, instances, their changes of state, logs and code.

All answers are JSON where nothing else is said. All requests are signed but for health, the links to code that
GetFunction gives, and metrics, which also take the access key and its secret as a name and password (HTTP Basic), as
Prometheus cannot sign.

    GET    /_workbench/health                             {"status", "isolation", "functions", "instances", ...}
    GET    /_workbench/functions/{name}/instances         {"instances": [InstanceView's fields]}
    GET    /_workbench/functions/{name}/events            {"events": [InstanceEvent's fields]}
    GET    /_workbench/functions/{name}/events?follow     the same, one a line, and then each as it happens (NDJSON)
    GET    /_workbench/functions/{name}/logs/{instance}   {"log": its last 64 KB}
    DELETE /_workbench/functions/{name}/instances/{id}    {} — kills it as a crash would
    POST   /_workbench/functions/{name}/template          {} — initialises what snapshot starts are forked from
    GET    /_workbench/metrics                            Prometheus' text format
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qs, unquote

from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.aws_errors import AwsError, not_found
from workbench.faas.credentials import Keyring
from workbench.faas.front.api_model import Answer
from workbench.faas.front.follower import Follower
from workbench.faas.front.http_front import Streamed
from workbench.faas.front.metrics import CONTENT_TYPE, Metrics
from workbench.faas.messages import Moved
from workbench.faas.operations import Operations
from workbench.faas.running.history import as_event
from workbench.faas.running.supervisor import Supervisor

PREFIX = "/_workbench/"
_PART = 2**18
_LINES = "application/x-ndjson"


class Answers(Protocol):
    """Who else answers signed requests below `PREFIX`."""

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """The answer; None when the request is not for this one."""


class PrivateApi:
    """The platform seen from outside."""

    def __init__(
        self,
        operations: Operations,
        supervisor: Supervisor,
        events: EventQueue,
        metrics: Metrics,
        keys: Keyring,
        archive: Callable[[str], Path],
        isolation: str,
        more: Sequence[Answers] = (),
    ) -> None:
        self._operations = operations
        self._supervisor = supervisor
        self._events = events
        self._metrics = metrics
        self._keys = keys
        self._archive = archive
        self._isolation = isolation
        self._more = more

    async def unsigned(self, path: str, query: str, authorization: str) -> Answer | Streamed | None:
        """The answer to a request that needs no signature; None when this one does."""
        if path == PREFIX + "health":
            return _json(self._health())
        if path.startswith(PREFIX + "code/"):
            return await self._download(path, query)
        if path == PREFIX + "metrics" and authorization.startswith("Basic "):
            return self._with_password(authorization)
        return None

    def _with_password(self, authorization: str) -> Answer:
        try:
            name, _, secret = base64.b64decode(authorization[len("Basic ") :], validate=True).decode().partition(":")
        except ValueError:
            name = secret = ""
        key = self._keys.find(name, "")
        if key is None or not hmac.compare_digest(key.secret.encode(), secret.encode()):
            raise AwsError(
                "UnrecognizedClientException", "Give the platform's access key id as name and its secret as password."
            )
        return self._metrics_text()

    def _metrics_text(self) -> Answer:
        return Answer(200, self._metrics.text(), {"Content-Type": CONTENT_TYPE})

    async def handle(self, method: str, path: str, query: str, body: bytes = b"") -> Answer | Streamed:
        """Answer one signed request; raises AwsError when there is no such thing."""
        parts = [unquote(part) for part in path[len(PREFIX) :].split("/")]
        match method, parts:
            case "GET", ["functions", name, "instances"]:
                return _json({"instances": await self._supervisor.instances(self._operations.find(name).name)})
            case "GET", ["metrics"]:
                return self._metrics_text()
            case "GET", ["functions", name, "events"] if "follow" in query:
                return Streamed(200, self._follow(self._operations.find(name).name), {"Content-Type": _LINES})
            case "GET", ["functions", name, "events"]:
                return _json({"events": self._supervisor.events(self._operations.find(name).name)})
            case "GET", ["functions", name, "logs", instance]:
                log = self._supervisor.log(self._operations.find(name).name, instance)
                if log is not None:
                    return _json({"log": log.decode("utf-8", "replace")})
                raise not_found(f"{name}, instance {instance}")
            case "POST", ["functions", name, "template"]:
                await self._supervisor.prepare(self._operations.find(name))
                return _json({})
            case "DELETE", ["functions", name, "instances", instance]:
                if await self._supervisor.crash(self._operations.find(name).name, instance):
                    return _json({})
                raise not_found(f"{name}, instance {instance}")
        for other in self._more:
            answer = await other.answer(method, parts, query, body)
            if answer is not None:
                return answer
        raise AwsError("UnknownOperationException", f"There is no {method} {path}.")

    async def _follow(self, function: str) -> AsyncIterator[bytes]:
        """Every change of state so far and to come, a line each; a line may say how many were left out."""
        follower = Follower()

        def moved(move: Moved) -> None:
            if move.function.partition(":")[0] == function:
                follower.tell(as_event(move))

        self._supervisor.moved.append(moved)
        try:
            for event in self._supervisor.events(function):
                yield _line(event)
            async for event in follower:
                yield _line(event)
        finally:
            self._supervisor.moved.remove(moved)

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "isolation": self._isolation,
            "technique": str(self._supervisor.start_by.technique),
            "techniques": sorted(self._supervisor.start_by.techniques),
            "functions": len(self._operations.functions),
            "instances": self._supervisor.instance_count,
            "queued_events": len(self._events),
        }

    async def _download(self, path: str, query: str) -> Streamed:
        sha256 = path.rpartition("/")[2]
        token = parse_qs(query).get("token", [""])[0]
        if not hmac.compare_digest(token.encode(), self._operations.code_token(sha256).encode()):
            raise AwsError(
                "AccessDeniedException", "This link to a function's code is not valid; ask GetFunction anew."
            )
        try:
            file = await asyncio.to_thread(self._archive(sha256).open, "rb")
        except FileNotFoundError:
            raise AwsError("ResourceNotFoundException", "This code is no function's any more.") from None
        size = file.seek(0, 2)
        return Streamed(200, _parts(file), {"Content-Type": "application/zip", "Content-Length": str(size)})


async def _parts(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        file.seek(0)
        while part := await asyncio.to_thread(file.read, _PART):
            yield part


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode() + b"\n"


def _json(value: Any) -> Answer:
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})
