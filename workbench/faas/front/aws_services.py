"""Requests that are signed for another service than Lambda: verified here, answered by what stands beside the platform.

One endpoint and one set of keys open all of them; the key of an instance, too.
"""

from __future__ import annotations

import json
import time
from html import escape
from typing import Protocol, runtime_checkable

from workbench.faas.aws_errors import STATUS_BEYOND_MODEL, AwsError
from workbench.faas.claims import Claim
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.http_wire import Request
from workbench.faas.sigv4 import S3, Verifier

_NAMES_IN_S3 = {
    "AccessDeniedException": "AccessDenied",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "OperationNotSupportedException": "NotImplemented",
    "UnrecognizedClientException": "InvalidAccessKeyId",
}
_FORM = "application/x-www-form-urlencoded"


@runtime_checkable
class AwsServices(Protocol):
    """Who answers for other services; a companion that has this method does."""

    async def serve_aws(self, service: str, request: Request) -> Answer | Streamed:
        """The answer to a verified request; `service` as in its signature ("s3"). Raises AwsError."""


class OtherServices:
    """All but Lambda; `elsewhere` is the AWS endpoint that the platform was given, empty when it has none."""

    def __init__(self, verifier: Verifier, services: AwsServices | None, elsewhere: str) -> None:
        self._verifier = verifier
        self._services = services
        self._elsewhere = elsewhere

    async def answer(self, claim: Claim, request: Request, request_id: str) -> Answer | Streamed:
        """Verify and pass on; what goes wrong is answered in the form of the service."""
        try:
            self._verifier.verify_claim(claim, request, time.time())
            if self._services is None:
                raise self._absent(claim.service)
            return await self._services.serve_aws(claim.service, request)
        except AwsError as error:
            form = (request.headers.get("Content-Type") or "").startswith(_FORM)
            return refusal(claim.service, error, request_id, form=form)

    def _absent(self, service: str) -> AwsError:
        name = service.upper()
        where = (
            f"{name} answers at the endpoint this platform was started with, {self._elsewhere}."
            if self._elsewhere
            else f"This platform was started without {name}. Start it with `workbench serve --aws`, which brings "
            "S3, SQS and others, or with --aws-endpoint URL, where others answer."
        )
        return AwsError("OperationNotSupportedException", f"Here answers Lambda alone. {where}")


def refusal(service: str, error: AwsError, request_id: str, *, form: bool = False) -> Answer:
    """An error as the service would put it: S3 and services that take forms in XML, all others in JSON."""
    status = error.status or STATUS_BEYOND_MODEL.get(error.code, 400)
    message = escape(error.message, quote=False)
    if service == S3:
        code = _NAMES_IN_S3.get(error.code, error.code)
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
    elif form:
        text = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    else:
        body = {"__type": error.code, "message": error.message}
        headers = {"x-amzn-errortype": error.code, "x-amzn-RequestId": request_id, "Content-Type": "application/json"}
        return Answer(status, json.dumps(body).encode(), headers)
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), {"Content-Type": "text/xml"})
