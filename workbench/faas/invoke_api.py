"""Invoke: checks what is asked, runs the function or puts the event on disk, and answers in AWS's headers.

Invoke takes `X-Workbench-Cold: force` (a new instance answers and replaces the others) and answers with
X-Workbench-Instance, -Cold (0 or 1), -Phases (JSON, milliseconds), -Billed-Ms and -Max-Memory-Mb.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from functools import lru_cache
from typing import Any

from aiohttp import web

from workbench.faas.api_model import ApiModel
from workbench.faas.aws_errors import AwsError
from workbench.faas.calls import Outcome
from workbench.faas.event_queue import EventQueue
from workbench.faas.operations import Operations
from workbench.faas.supervisor import Supervisor

MAX_SYNC_PAYLOAD = 6 * 2**20
MAX_ASYNC_PAYLOAD = 2**20
"""Largest payloads of Invoke in bytes (Lambda quotas)."""

_LARGE_JSON = 256 * 1024


class InvokeApi:
    """The operations that run a function."""

    def __init__(self, model: ApiModel, operations: Operations, supervisor: Supervisor, events: EventQueue) -> None:
        self._model = model
        self._operations = operations
        self._supervisor = supervisor
        self._events = events
        # Load repeats a few paths thousands of times.
        self._headers = model.header_names(model.operation("Invoke"))
        self._input = lru_cache(1024)(self._parse)

    async def invoke(
        self, request: web.BaseRequest, path: str, query: str, body: bytes, request_id: str
    ) -> web.Response:
        """Answer one Invoke; raises AwsError where AWS's API would answer with an error."""
        given = self._input(path, query, tuple(request.headers.get(n) for n in self._headers))
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
        cold = request.headers.get("X-Workbench-Cold", "").lower()
        outcome = await self._supervisor.invoke(
            function, payload, request=request_id, client_context=context, cold=cold
        )
        return _invoked(outcome, with_tail=given.get("LogType") == "Tail")

    def _parse(self, path: str, query: str, values: tuple[str | None, ...]) -> dict[str, Any]:
        """Invoke's input but for the payload, which is not of the model's making."""
        operation, parameters = self._model.route("POST", path, query)
        headers = {n: v for n, v in zip(self._headers, values, strict=True) if v is not None}
        return self._model.parse(operation, parameters, query, headers, b"")


def _invoked(outcome: Outcome, *, with_tail: bool) -> web.Response:
    headers = {
        "Content-Type": "application/json",
        "x-amzn-RequestId": outcome.request,
        "X-Amz-Executed-Version": outcome.version,
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
