"""The direct way to invoke: one call through the web service API of a platform that somebody else started."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, ReadTimeoutError

from workbench.deployments.platform import Access
from workbench.errors import (
    DeploymentError,
    HandlerError,
    InvocationError,
    InvocationTimeout,
    Throttled,
    WorkbenchError,
)

LONGEST_S = 900 + 60
"""Seconds to wait for an answer: AWS's longest timeout of a function, and a cold start before it."""

_WRONG_KEYS = ("UnrecognizedClientException", "InvalidSignatureException", "AccessDeniedException")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the payload as it is (none of an event), the log's last 4 KB, the handler's error, if any."""

    payload: bytes
    request_id: str
    log: str = ""
    error: HandlerError | None = None


def invoke(
    access: Access, function: str, payload: bytes = b"", *, qualifier: str = "", event: bool = False, log: bool = False
) -> Answer:
    """Invoke a function by its name or ARN, and wait for its answer, or with `event` until it is accepted.

    Raises DeploymentError when there is no such platform or function, Throttled, InvocationTimeout, or InvocationError
    for what else kept the function from running. The handler's own error is in the answer.
    """
    wish: dict[str, Any] = {"FunctionName": function, "InvocationType": "Event" if event else "RequestResponse"}
    if payload:
        wish["Payload"] = payload
    if qualifier:
        wish["Qualifier"] = qualifier
    if log and not event:
        wish["LogType"] = "Tail"
    try:
        client = access.client(LONGEST_S)
        answer = client.invoke(**wish)
        content = answer["Payload"].read()
    except ClientError as error:
        raise _refused(error, access, function) from error
    except EndpointConnectionError as error:
        raise DeploymentError(
            f"No platform answers at {access.endpoint}. Start one with `workbench serve`, or give another --endpoint."
        ) from error
    except ReadTimeoutError as error:
        raise InvocationTimeout(f"{function} did not answer within {LONGEST_S} s.") from error
    except (BotoCoreError, ValueError) as error:
        raise InvocationError(f"{function} cannot be invoked at {access.endpoint}: {error}") from error
    request = answer["ResponseMetadata"].get("RequestId", "")
    tail = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    return Answer(content, request, tail, _error(content) if "FunctionError" in answer else None)


def _refused(error: ClientError, access: Access, function: str) -> WorkbenchError:
    code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if code == "ResourceNotFoundException":
        return DeploymentError(f"{said.rstrip('.')}. {_there_is(access)}")
    if code == "TooManyRequestsException":
        return Throttled(f"{function} was throttled: {said}")
    if code in _WRONG_KEYS:
        return DeploymentError(
            f"The platform at {access.endpoint} refused the keys ({said.rstrip('.')}). "
            "Give those that `workbench serve` printed: --access-key and --secret-key."
        )
    return InvocationError(f"The platform did not run {function}: {said or code}")


def _there_is(access: Access) -> str:
    try:
        pages = access.client(10).get_paginator("list_functions").paginate()
        names = [one["FunctionName"] for page in pages for one in page["Functions"]]
    except (BotoCoreError, ClientError):
        return f"Look at what {access.endpoint} has."
    return f"{access.endpoint} has {', '.join(sorted(names))}." if names else f"{access.endpoint} has no functions yet."


def _error(content: bytes) -> HandlerError:
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    return HandlerError.told(told if isinstance(told, dict) else {"errorMessage": content.decode("utf-8", "replace")})
