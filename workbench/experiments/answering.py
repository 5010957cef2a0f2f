"""What to invoke a service with that nobody gave a payload for: found by trying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import HandlerError

HTTP_EVENT: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "localhost", "accept": "*/*"},
    "requestContext": {
        "http": {
            "method": "GET",
            "path": "/",
            "protocol": "HTTP/1.1",
            "sourceIp": "127.0.0.1",
            "userAgent": "workbench",
        },
        "requestId": "workbench",
        "routeKey": "$default",
        "stage": "$default",
    },
    "isBase64Encoded": False,
}
"""`GET /` as API Gateway hands it to a function (payload format 2.0), for services that answer HTTP only."""


def answering(deployments: Sequence[Deployment], given: Any) -> tuple[Any, str]:
    """A payload that the service answers everywhere, and a note when it was not given; raises HandlerError if none."""
    payload, note = (given, "") if given is not None else _found_payload(deployments[0])
    for deployment in deployments:
        deployment.invoke(payload)
    return payload, note


def _found_payload(deployment: Deployment) -> tuple[Any, str]:
    empty: dict[str, Any] = {}
    try:
        answer = deployment.invoke(empty).payload
        if not _refused(answer):
            return empty, "No payload was given: the service was invoked with {}."
        failure = None
    except HandlerError as error:
        if error.error_type.startswith("Runtime."):  # it was not loaded: no other payload will help
            raise
        failure = error
    try:
        if not _refused(deployment.invoke(HTTP_EVENT).payload) or failure is not None:
            return HTTP_EVENT, "No payload was given: the service was invoked with an HTTP request, GET /."
    except HandlerError:
        if failure is not None:
            raise HandlerError(
                f"{failure.error_message} (invoked with {{}}; GET / failed too). If it needs another payload, give one "
                "that it answers: --payload '{...}'",
                failure.error_type,
                failure.stack_trace,
            ) from failure
    return empty, "No payload was given: the service was invoked with {}, and answers it with an error status."


def _refused(answer: Any) -> bool:
    """Whether an answer is an HTTP response that reports an error."""
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    return isinstance(status, int) and status >= 400
