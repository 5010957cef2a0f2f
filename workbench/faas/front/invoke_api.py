"""Invoke: checks what is asked, runs the function or puts the event on disk, and answers in AWS's headers.

Invoke takes `X-Workbench-Cold`: `force`, or the technique to start by (a new instance answers and replaces the others).
It answers with X-Workbench-Instance, -Cold (0 or 1), -Phases (JSON, milliseconds), -Billed-Ms and -Max-Memory-Mb.
This is what load runs through: what repeats is remembered, and nothing is done that the answer does not need.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.aws_errors import AwsError
from workbench.faas.front import event_stream
from workbench.faas.front.api_model import Answer, ApiModel
from workbench.faas.front.http_front import Streamed
from workbench.faas.http_wire import Headers, Request
from workbench.faas.operations import Operations, Resolved
from workbench.faas.running.calls import Outcome
from workbench.faas.running.response_stream import PRELUDE_END, ResponseStream
from workbench.faas.running.supervisor import Supervisor

MAX_SYNC_PAYLOAD = 6 * 2**20
MAX_ASYNC_PAYLOAD = 2**20
"""Largest payloads of Invoke in bytes (Lambda quotas)."""

_LARGE_JSON = 256 * 1024
_COLD = "x-workbench-cold"

RawHeaders = tuple[tuple[bytes, bytes], ...]


class InvokeApi:
    """The operations that run a function."""

    def __init__(self, model: ApiModel, operations: Operations, supervisor: Supervisor, events: EventQueue) -> None:
        self._model = model
        self._operations = operations
        self._supervisor = supervisor
        self._events = events
        names = {name for op in ("Invoke", "InvokeWithResponseStream") for name in self._headers_of(op)} | {_COLD}
        self._of_input = frozenset(name.lower().encode() for name in names)
        # Load repeats a few paths and headers thousands of times.
        self._input = lru_cache(1024)(self._parse)

    def _headers_of(self, operation: str) -> tuple[str, ...]:
        return self._model.header_names(self._model.operation(operation))

    async def invoke(self, request: Request, request_id: str) -> Answer:
        """Answer one Invoke; raises AwsError where AWS's API would answer with an error."""
        given, cold = self._read(request)
        kind = given.get("InvocationType", "RequestResponse")
        target = self._operations.resolve(given["FunctionName"], given.get("Qualifier"))
        await _check_payload(request.body, MAX_ASYNC_PAYLOAD if kind == "Event" else MAX_SYNC_PAYLOAD)
        context = _client_context(given.get("ClientContext"))
        if kind == "DryRun":
            return Answer(204, b"", {"x-amzn-RequestId": request_id})
        payload = request.body or b"{}"
        if kind == "Event":
            event = await self._events.accept(target.function.name, payload, context, _qualifier(target))
            return Answer(202, b"", {"x-amzn-RequestId": event})
        outcome = await self._supervisor.invoke(
            target.function, payload, request=request_id, client_context=context, cold=cold, arn=target.invoked_arn
        )
        return _invoked(outcome, with_tail=given.get("LogType") == "Tail")

    async def invoke_with_response_stream(self, request: Request, request_id: str) -> Answer | Streamed:
        """Answer one InvokeWithResponseStream; raises AwsError where AWS's API would answer with an error."""
        given, cold = self._read(request)
        target = self._operations.resolve(given["FunctionName"], given.get("Qualifier"))
        await _check_payload(request.body, MAX_SYNC_PAYLOAD)
        context = _client_context(given.get("ClientContext"))
        if given.get("InvocationType") == "DryRun":
            return Answer(204, b"", {"x-amzn-RequestId": request_id})
        stream = ResponseStream()
        running = asyncio.ensure_future(
            self._supervisor.invoke(
                target.function,
                request.body or b"{}",
                request=request_id,
                client_context=context,
                cold=cold,
                sink=stream,
                arn=target.invoked_arn,
            )
        )
        running.add_done_callback(lambda _: stream.end())
        if not await stream.begun():
            await running  # an error of the API is an answer of its own
        events = _events(stream, running, with_tail=given.get("LogType") == "Tail")
        await anext(events)
        headers = {
            "Content-Type": event_stream.CONTENT_TYPE,
            "x-amzn-RequestId": request_id,
            "X-Amz-Executed-Version": target.function.number,
        }
        return Streamed(200, events, headers)

    def _read(self, request: Request) -> tuple[dict[str, Any], str]:
        """The input but for the payload, and the wish for a cold start."""
        of_input = self._of_input
        headers = tuple([field for field in request.raw_headers if field[0].lower() in of_input])
        return self._input(request.target, headers)

    def _parse(self, target: str, raw: RawHeaders) -> tuple[dict[str, Any], str]:
        path, _, query = target.partition("?")
        operation, parameters = self._model.route("POST", path, query)
        headers = Headers(list(raw))
        return self._model.parse(operation, parameters, query, headers, b""), (headers.get(_COLD) or "").lower()


def _qualifier(target: Resolved) -> str:
    """The version or alias that a function was called by."""
    return [*target.invoked_arn.split(":"), ""][7]


def _invoked(outcome: Outcome, *, with_tail: bool) -> Answer:
    phases = ", ".join([f'"{name}": {"null" if ms is None else ms}' for name, ms in outcome.phases.items()])
    headers = {
        "Content-Type": "application/json",
        "x-amzn-RequestId": outcome.request,
        "X-Amz-Executed-Version": outcome.version,
        "X-Workbench-Instance": outcome.instance,
        "X-Workbench-Cold": "1" if outcome.cold else "0",
        "X-Workbench-Phases": f"{{{phases}}}",
        "X-Workbench-Billed-Ms": str(outcome.billed_ms),
        "X-Workbench-Max-Memory-Mb": str(outcome.max_memory_mb),
    }
    if outcome.error is not None:
        headers["X-Amz-Function-Error"] = outcome.error
    if with_tail:
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail()).decode()
    return Answer(200, outcome.payload, headers)


async def _events(stream: ResponseStream, running: asyncio.Future[Outcome], *, with_tail: bool) -> AsyncIterator[bytes]:
    """A response as AWS's events, streamed as it comes, else in one chunk; first of all one that is empty."""
    try:
        yield b""  # begun, so that its end is noticed even if the client is gone already
        if stream.prelude is not None:
            yield event_stream.payload_chunk(stream.prelude + PRELUDE_END)
        async for chunk in stream:
            yield event_stream.payload_chunk(chunk)
        outcome = await running
        if outcome.error is None and outcome.payload:
            yield event_stream.payload_chunk(outcome.payload)
        log = base64.b64encode(outcome.log_tail()).decode() if with_tail else None
        yield event_stream.invoke_complete(outcome.error, outcome.payload, log)
    except AwsError as error:  # the platform's own, after the response began
        yield event_stream.invoke_complete(error.code, error.message.encode(), None)
    finally:
        stream.abandon()  # when nobody reads any more the function may still finish


async def _check_payload(body: bytes, limit: int) -> None:
    if len(body) > limit:
        raise AwsError(
            "RequestTooLargeException", f"Request must be smaller than {limit} bytes for the Invoke operation."
        )
    if not body:
        return
    try:
        if len(body) > _LARGE_JSON:
            await asyncio.to_thread(json.loads, body.decode())
        else:
            json.loads(body.decode())
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
