"""HTTP responses of function URLs: what the function said, or why it was not asked."""

from __future__ import annotations

import json

from aiohttp import web
from multidict import CIMultiDict

from workbench.faas.aws_errors import AwsError
from workbench.faas.running.calls import Outcome
from workbench.faas.running.response_stream import ResponseStream
from workbench.faas.urls import url_cors as cors
from workbench.faas.urls import url_events as events


def stream_head(stream: ResponseStream) -> events.UrlAnswer:
    """Status and headers of a streamed answer; raises Malformed."""
    if stream.prelude is None:
        return events.UrlAnswer(200, headers=[("content-type", stream.content_type or "application/octet-stream")])
    try:
        prelude = json.loads(stream.prelude)
    except ValueError as error:
        raise events.Malformed(f"the stream's prelude is not JSON: {error}") from error
    if not isinstance(prelude, dict):
        raise events.Malformed("the stream's prelude is not a JSON object")
    status, headers = events.head(prelude)
    return events.UrlAnswer(status, headers=headers)


def buffered(outcome: Outcome, allowed: cors.Pairs | None) -> web.Response:
    """The HTTP response of an invocation that is over."""
    if outcome.error is not None:
        return failed("the function failed; see its log", outcome.request, allowed)
    try:
        answer = events.answer(outcome.payload)
    except events.Malformed as error:
        return failed(str(error), outcome.request, allowed)
    return response(answer, outcome.request, allowed)


def response(answer: events.UrlAnswer, request_id: str, allowed: cors.Pairs | None) -> web.Response:
    """An answer as aiohttp has it; `allowed` are the platform's own cross-origin headers, None when it sets none."""
    return web.Response(status=answer.status, body=answer.body, headers=all_headers(answer, request_id, allowed))


def all_headers(answer: events.UrlAnswer, request_id: str, allowed: cors.Pairs | None) -> CIMultiDict[str]:
    """An answer's headers with ours."""
    own = answer.headers if allowed is None else cors.without_own(answer.headers) + allowed
    return CIMultiDict([*own, ("x-amzn-RequestId", request_id)])


def failed(reason: str, request_id: str, allowed: cors.Pairs | None) -> web.Response:
    """AWS says no more than this; the reason is for who develops the function."""
    shown = "".join(c if c.isprintable() and c.isascii() else "?" for c in reason)[:500]
    headers = [("content-type", "text/plain"), ("X-Workbench-Reason", shown)]
    return response(events.UrlAnswer(502, b"Internal Server Error", headers), request_id, allowed)


def refused(status: int, message: str, request_id: str, allowed: cors.Pairs | None = None) -> web.Response:
    """What did not reach the function."""
    headers = [("content-type", "application/json")]
    if status == 403:
        headers.append(("x-amzn-ErrorType", "AccessDeniedException"))
    if status == 429:
        headers.append(("Retry-After", "1"))
    return response(events.UrlAnswer(status, json.dumps({"Message": message}).encode(), headers), request_id, allowed)


_FORBIDDEN = frozenset(
    {
        "AccessDeniedException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def translated(error: AwsError) -> tuple[int, str]:
    """Status and message of an error of the platform."""
    if error.code in _FORBIDDEN:
        return 403, "Forbidden"
    if error.code == "TooManyRequestsException":
        return 429, error.message
    if error.code == "ResourceNotFoundException":
        return 404, error.message
    return error.status or 500, "Internal Server Error"
