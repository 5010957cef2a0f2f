"""A deployment's streamed answer, read as it comes: of the platform as AWS's events, of a long-running host as HTTP.

A function's stream begins with a prelude (status, headers, cookies as JSON) and eight NULs (Lambda developer guide,
"Response streaming for Lambda functions"); a long-running host has made an HTTP response of it. A handler that does not
stream is answered for as without streaming.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
from botocore.eventstream import EventStreamBuffer

from workbench.events.http.backend import MAX_EVENT, NotRun, Returned, Streaming
from workbench.events.http.refusals import Refusal
from workbench.faas.running.response_stream import PRELUDE_END
from workbench.faas.urls.url_events import Malformed, UrlAnswer
from workbench.faas.urls.url_events import head as read_head

_OF_THE_HOP = {"connection", "content-length", "date", "keep-alive", "transfer-encoding", "x-amzn-requestid"}
_BUFFERED = "X-Workbench-Handler-Ms"
"""What a long-running host says of a handler that has returned before it answers."""


class _Failed(Exception):
    """The function failed; `body` is its error as JSON."""

    def __init__(self, kind: str, body: bytes) -> None:
        super().__init__(kind)
        self.body = body


async def of_platform(response: aiohttp.ClientResponse, done: Callable[[], None]) -> Returned | Streaming:
    """The answer to InvokeWithResponseStream; `done` is called when all of it is read, or nobody reads it any more."""
    events = _payloads(response)
    start = b""
    try:
        async for payload in events:
            start += payload
            if PRELUDE_END in start or len(start) > MAX_EVENT:
                break
    except _Failed as failure:
        done()
        return Returned(failure.body, str(failure))
    prelude, found, body = start.partition(PRELUDE_END)
    if not found:
        done()
        return Returned(start)
    try:
        return Streaming(_head(prelude), _passed_on(response, events, done, body))
    except Malformed as error:
        response.close()
        done()
        raise NotRun(Refusal.FAILED, str(error)) from error


def of_host(response: aiohttp.ClientResponse, done: Callable[[], None]) -> Streaming | None:
    """The answer of a long-running host, where the handler streams; None when it does not."""
    if _BUFFERED in response.headers or "X-Amz-Function-Error" in response.headers:
        return None
    headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _OF_THE_HOP]
    return Streaming(UrlAnswer(response.status, b"", headers), _passed_on(response, response.content.iter_any(), done))


def _head(prelude: bytes) -> UrlAnswer:
    try:
        value = json.loads(prelude)
    except ValueError as error:
        raise Malformed(f"the stream's prelude is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the stream's prelude is not a JSON object")
    status, headers = read_head(value)
    return UrlAnswer(status, b"", headers)


async def _payloads(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """What the function wrote; raises _Failed when that was not all."""
    buffer: Any = EventStreamBuffer()
    async for data in response.content.iter_any():
        buffer.add_data(data)
        for message in buffer:
            if message.headers[":event-type"] == "PayloadChunk":
                yield message.payload
                continue
            end: dict[str, Any] = json.loads(message.payload)
            if end.get("ErrorCode"):
                raise _Failed(end["ErrorCode"], str(end.get("ErrorDetails", "")).encode())
            return
    raise ConnectionAbortedError("the platform ended in the middle of an answer")


async def _passed_on(
    response: aiohttp.ClientResponse, parts: AsyncIterator[bytes], done: Callable[[], None], first: bytes = b""
) -> AsyncIterator[bytes]:
    whole = False
    try:
        if first:
            yield first
        async for part in parts:
            yield part
        whole = True
    except (aiohttp.ClientError, _Failed) as error:  # what was sent must not pass for the whole answer
        raise ConnectionAbortedError(f"the service failed in the middle of its answer: {error}") from error
    finally:
        if whole:
            response.release()
        else:
            response.close()  # the other side is to know that nobody reads on
        done()
