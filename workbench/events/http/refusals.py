"""What a gateway answers in a function's place, in the words of each kind of API.

REST: API Gateway developer guide, "Gateway response types", and Lambda's "Errors with API Gateway" for 502. HTTP:
"Create routes for HTTP APIs" for 404; the guide has no table of the others, which are as its users report them.
"""

from __future__ import annotations

import json
from enum import Enum

from workbench.events.http.apis import Kind
from workbench.faas.urls.url_events import UrlAnswer


class Refusal(Enum):
    """Why there is no answer of the function: status and message of an HTTP API, then of a REST API with its type."""

    NO_ROUTE = (404, "Not Found"), (403, "Missing Authentication Token", "MissingAuthenticationTokenException")
    NO_STAGE = (404, "Not Found"), (403, "Forbidden", "ForbiddenException")
    NOT_LET_IN = (403, "Forbidden"), (403, "Forbidden", "ForbiddenException")
    TOO_MANY = (429, "Too Many Requests"), (429, "Too Many Requests", "TooManyRequestsException")
    TOO_LARGE = (
        (413, "Request Entity Too Large"),
        (413, "HTTP content length exceeded 10485760 bytes.", "RequestTooLargeException"),
    )
    TIMED_OUT = (503, "Service Unavailable"), (504, "Endpoint request timed out", "InternalServerErrorException")
    FAILED = (500, "Internal Server Error"), (502, "Internal server error", "InternalServerErrorException")
    MISCONFIGURED = (500, "Internal Server Error"), (500, "Internal server error", "InternalServerErrorException")
    FUNCTION_THROTTLED = (503, "Service Unavailable"), (500, "Internal server error", "InternalServerErrorException")


def refusal(kind: Kind, why: Refusal, reason: str = "") -> UrlAnswer:
    """The answer; `reason` is for who develops the API, and goes into a header as AWS says no more than the message."""
    of_http, of_rest = why.value
    status, message = of_http if kind is Kind.HTTP else of_rest[:2]
    headers = [("content-type", "application/json")]
    if kind is Kind.REST:
        headers.append(("x-amzn-ErrorType", of_rest[2]))
    if reason:
        shown = "".join(c if c.isprintable() and c.isascii() else "?" for c in reason)[:500]
        headers.append(("X-Workbench-Reason", shown))
    return UrlAnswer(status, json.dumps({"message": message}).encode(), headers)
