"""The platform's HTTP side: Lambda's API for any AWS SDK, and under `/_workbench/` what an SDK has no word for.

Every request is signed (SigV4, service `lambda`) but for `/_workbench/health` and the links to code that GetFunction
gives. Private requests, all JSON:

    GET    /_workbench/health                             {"status", "isolation", "functions", "instances", ...}
    GET    /_workbench/functions/{name}/instances         {"instances": [InstanceView's fields]}
    GET    /_workbench/functions/{name}/events            {"events": [InstanceEvent's fields]}
    GET    /_workbench/functions/{name}/logs/{instance}   {"log": its last 64 KB}
    DELETE /_workbench/functions/{name}/instances/{id}    {} — kills it as a crash would

Invoke takes `X-Workbench-Cold: force` (a new instance answers and replaces the others) and answers with
X-Workbench-Instance, -Cold (0 or 1), -Phases (JSON, milliseconds), -Billed-Ms and -Max-Memory-Mb.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web

from workbench.faas.api_model import Answer, ApiModel
from workbench.faas.aws_errors import AwsError, not_found
from workbench.faas.event_queue import EventQueue
from workbench.faas.operations import MAX_ZIP, Operations
from workbench.faas.sigv4 import SignedRequest, Verifier
from workbench.faas.supervisor import Outcome, Supervisor

MAX_SYNC_PAYLOAD = 6 * 2**20
MAX_ASYNC_PAYLOAD = 2**20
"""Largest payloads of Invoke in bytes (Lambda quotas)."""

MAX_BODY = MAX_ZIP * 4 // 3 + 2**20  # a ZIP travels in base64
_LARGE_JSON = 256 * 1024
_PRIVATE = "/_workbench/"


class ControlApi:
    """Answers HTTP requests; `handle` is the aiohttp handler."""

    def __init__(
        self,
        model: ApiModel,
        verifier: Verifier,
        operations: Operations,
        supervisor: Supervisor,
        events: EventQueue,
        archive: Callable[[str], Path],
        isolation: str,
    ) -> None:
        self._model = model
        self._verifier = verifier
        self._operations = operations
        self._supervisor = supervisor
        self._events = events
        self._archive = archive
        self._isolation = isolation
        # Load repeats a few paths thousands of times.
        self._route = lru_cache(1024)(model.route)
        self._invoke_headers = model.header_names(model.operation("Invoke"))
        self._invoke_input = lru_cache(1024)(self._parse_invoke)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; whatever goes wrong is answered as AWS would."""
        request_id = str(uuid.uuid4())
        try:
            return await self._handle(request, request_id)
        except AwsError as error:
            return _response(self._model.error(error, request_id))
        except web.HTTPRequestEntityTooLarge:
            too_large = AwsError("RequestTooLargeException", f"Request must be smaller than {MAX_BODY} bytes.")
            return _response(self._model.error(too_large, request_id))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return _response(self._model.error(AwsError("ServiceException", f"Internal error: {error}"), request_id))

    async def _handle(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await request.read() if request.body_exists else b""
        if path == _PRIVATE + "health":
            return web.json_response(self._health())
        if path.startswith(_PRIVATE + "code/"):
            return self._download(path, query)
        self._verifier.verify(
            SignedRequest(request.method, request.raw_path, request.headers, request.raw_headers, body), time.time()
        )
        if path.startswith(_PRIVATE):
            return await self._private(request.method, path)
        operation, parameters = self._route(request.method, path, query)
        name = operation.name
        if name == "Invoke":
            given = self._invoke_input(path, query, tuple(request.headers.get(n) for n in self._invoke_headers))
            return await self._invoke(given, request, body, request_id)
        act = self._operations.table.get(name)
        if act is None:
            raise AwsError(
                "OperationNotSupportedException",
                f"{name} is an operation of AWS Lambda that this local platform does not support. "
                f"It supports Invoke, {', '.join(sorted(self._operations.table))}.",
            )
        given = self._model.parse(operation, parameters, query, request.headers, body)
        return _response(self._model.serialise(operation, await act(given), request_id))

    # ---- Invoke ------------------------------------------------------------------------------------------------------

    def _parse_invoke(self, path: str, query: str, values: tuple[str | None, ...]) -> dict[str, Any]:
        """Invoke's input but for the payload, which is not of the model's making."""
        operation, parameters = self._model.route("POST", path, query)
        headers = {n: v for n, v in zip(self._invoke_headers, values, strict=True) if v is not None}
        return self._model.parse(operation, parameters, query, headers, b"")

    async def _invoke(
        self, given: dict[str, Any], request: web.BaseRequest, body: bytes, request_id: str
    ) -> web.Response:
        function = self._operations.find(given["FunctionName"], given.get("Qualifier"))
        kind = given.get("InvocationType", "RequestResponse")
        await _check_payload(body, MAX_ASYNC_PAYLOAD if kind == "Event" else MAX_SYNC_PAYLOAD)
        context = _client_context(given.get("ClientContext"))
        if kind == "DryRun":
            return web.Response(status=204, headers={"x-amzn-RequestId": request_id})
        payload = body or b"{}"
        if kind == "Event":
            event = await self._events.accept(function.name, payload, context)
            return web.Response(status=202, headers={"x-amzn-RequestId": event})
        cold = request.headers.get("X-Workbench-Cold", "").lower() == "force"
        outcome = await self._supervisor.invoke(
            function, payload, request=request_id, client_context=context, cold=cold
        )
        return _invoked(outcome, with_tail=given.get("LogType") == "Tail")

    # ---- private -----------------------------------------------------------------------------------------------------

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "isolation": self._isolation,
            "functions": len(self._operations.functions),
            "instances": self._supervisor.instance_count,
            "queued_events": len(self._events),
        }

    def _download(self, path: str, query: str) -> web.StreamResponse:
        sha256 = path.rpartition("/")[2]
        token = parse_qs(query).get("token", [""])[0]
        if not hmac.compare_digest(token.encode(), self._operations.code_token(sha256).encode()):
            raise AwsError(
                "AccessDeniedException", "This link to a function's code is not valid; ask GetFunction anew."
            )
        return web.FileResponse(self._archive(sha256), headers={"Content-Type": "application/zip"})

    async def _private(self, method: str, path: str) -> web.Response:
        parts = [unquote(part) for part in path[len(_PRIVATE) :].split("/")]
        match method, parts:
            case "GET", ["functions", name, "instances"]:
                return web.json_response(
                    {"instances": await self._supervisor.instances(self._operations.find(name).name)}
                )
            case "GET", ["functions", name, "events"]:
                return web.json_response({"events": self._supervisor.events(self._operations.find(name).name)})
            case "GET", ["functions", name, "logs", instance]:
                log = self._supervisor.log(self._operations.find(name).name, instance)
                if log is not None:
                    return web.json_response({"log": log.decode("utf-8", "replace")})
                raise not_found(f"{name}, instance {instance}")
            case "DELETE", ["functions", name, "instances", instance]:
                if await self._supervisor.crash(self._operations.find(name).name, instance):
                    return web.json_response({})
                raise not_found(f"{name}, instance {instance}")
        raise AwsError("UnknownOperationException", f"There is no {method} {path}.")


def _invoked(outcome: Outcome, *, with_tail: bool) -> web.Response:
    headers = {
        "Content-Type": "application/json",
        "x-amzn-RequestId": outcome.request,
        "X-Amz-Executed-Version": "$LATEST",
        "X-Workbench-Instance": outcome.instance,
        "X-Workbench-Cold": "1" if outcome.cold else "0",
        "X-Workbench-Phases": json.dumps(outcome.phases),
        "X-Workbench-Billed-Ms": str(outcome.billed_ms),
        "X-Workbench-Max-Memory-Mb": str(outcome.max_memory_mb),
    }
    if outcome.error is not None:
        headers["X-Amz-Function-Error"] = outcome.error
    if with_tail:
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail()).decode()
    return web.Response(body=outcome.payload, headers=headers)


async def _check_payload(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise AwsError(
            "RequestTooLargeException", f"Request must be smaller than {limit} bytes for the Invoke operation."
        )
    if not body:
        return
    try:
        if len(body) > _LARGE_JSON:
            await asyncio.to_thread(json.loads, body)
        else:
            json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", Type="User"
        ) from error


def _client_context(encoded: str | None) -> str:
    """The client context as the Runtime API hands it on: JSON on one line of ASCII."""
    if not encoded:
        return ""
    try:
        context = json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise AwsError(
            "InvalidRequestContentException", f"Client context must be base64-encoded JSON: {error}", Type="User"
        ) from error
    if len(encoded) > 3583:
        raise AwsError("InvalidRequestContentException", "Client context must be at most 3,583 bytes.", Type="User")
    return json.dumps(context)


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
