"""The platform's own functions as a gateway's backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from workbench.events.http.apis import Integration
from workbench.events.http.backend import NotRun, Returned, Streaming
from workbench.events.http.refusals import Refusal
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.running.calls import Outcome
from workbench.faas.running.response_stream import ResponseStream
from workbench.faas.urls.url_answers import stream_head
from workbench.faas.urls.url_events import Malformed

_WHY = {"TooManyRequestsException": Refusal.FUNCTION_THROTTLED, "ResourceNotFoundException": Refusal.MISCONFIGURED}


class Functions:
    """A gateway's backend: the functions of one platform, by name or ARN."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def invoke(self, integration: Integration, event: bytes, request_id: str) -> Returned | Streaming:
        """Call the function and wait; when the gateway gives up, the function goes on, as on AWS."""
        try:
            if integration.streamed:
                return await self._stream(integration.function, event, request_id)
            running = asyncio.ensure_future(self._host.invoke(integration.function, event, request_id))
            running.add_done_callback(_seen)
            return _returned(await asyncio.shield(running))
        except AwsError as error:
            raise NotRun(_WHY.get(error.code, Refusal.FAILED), f"{error.code}: {error.message}") from error

    async def _stream(self, function: str, event: bytes, request_id: str) -> Returned | Streaming:
        target = self._host.operations.resolve(function, None)
        stream = ResponseStream()
        running = asyncio.ensure_future(
            self._host.context.supervisor.invoke(
                target.function, event, request=request_id, sink=stream, arn=target.invoked_arn
            )
        )
        running.add_done_callback(_seen)
        running.add_done_callback(lambda _: stream.end())
        try:
            if not await stream.begun():
                return _returned(await asyncio.shield(running))
            return Streaming(stream_head(stream), _chunks(stream, running))
        except Malformed as error:
            stream.abandon()
            raise NotRun(Refusal.FAILED, str(error)) from error
        except asyncio.CancelledError:
            stream.abandon()
            raise


async def _chunks(stream: ResponseStream, running: asyncio.Future[Outcome]) -> AsyncIterator[bytes]:
    try:
        async for chunk in stream:
            yield chunk
        outcome = await running
        if stream.failed or outcome.error is not None:  # what was sent must not pass for the whole answer
            raise ConnectionAbortedError("the function failed in the middle of its answer; see its log")
    finally:
        stream.abandon()  # nobody reads any more, but the function may finish


def _returned(outcome: Outcome) -> Returned:
    headers = [("X-Workbench-Instance", outcome.instance), ("X-Workbench-Cold", "1" if outcome.cold else "0")]
    return Returned(outcome.payload, outcome.error or "", outcome.instance, headers)


def _seen(done: asyncio.Future[Outcome]) -> None:
    """Its error is known; if nobody waits for it any more, nobody needs to be told."""
    if not done.cancelled():
        done.exception()
