"""The platform's HTTP side: Lambda's API for any AWS SDK, and under `/_workbench/` what an SDK has no word for.

Every request is signed (SigV4) but for what `PrivateApi.unsigned` answers. One that is signed for another service than
`lambda` goes to `OtherServices`. The key of an instance opens AWS's APIs alone.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from functools import lru_cache

from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.aws_errors import AwsError
from workbench.faas.front.api_model import Answer, ApiModel
from workbench.faas.front.aws_services import OtherServices
from workbench.faas.front.http_front import Streamed
from workbench.faas.front.invoke_api import InvokeApi
from workbench.faas.front.private_api import PREFIX, PrivateApi
from workbench.faas.http_wire import BadRequest, Request
from workbench.faas.operations import MAX_ZIP, Operations
from workbench.faas.running.supervisor import Supervisor
from workbench.faas.sigv4 import SignedForAnother, Verifier

MAX_BODY = MAX_ZIP * 4 // 3 + 2**20  # a ZIP travels in base64

_REFUSED = {403: "AccessDeniedException", 413: "RequestTooLargeException", 503: "ServiceException"}


class ControlApi:
    """Answers HTTP requests (`http_front.Handler`)."""

    def __init__(
        self,
        model: ApiModel,
        verifier: Verifier,
        operations: Operations,
        supervisor: Supervisor,
        events: EventQueue,
        private: PrivateApi,
        others: OtherServices,
    ) -> None:
        self._model = model
        self._verifier = verifier
        self._operations = operations
        self._invoke = InvokeApi(model, operations, supervisor, events)
        self._private = private
        self._others = others
        self._route = lru_cache(1024)(model.route)  # load repeats a few paths thousands of times

    async def handle(self, request: Request) -> Answer | Streamed:
        """One request; whatever goes wrong is answered as AWS would."""
        request_id = _new_id()
        try:
            return await self._handle(request, request_id)
        except SignedForAnother as other:
            return await self._others.answer(other.claim, request, request_id)
        except AwsError as error:
            return self._model.error(error, request_id)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return self._model.error(AwsError("ServiceException", f"Internal error: {error}"), request_id)

    def admit(self, request: Request) -> None:
        """Memory is for who can name a key of ours: on a shared host, everybody reaches this port."""
        if not self._verifier.names_a_key(request):
            raise BadRequest(403, "A large request must be signed, with a key of this platform.")

    def refusal(self, error: BadRequest) -> Answer:
        """The answer to what is no request, or a too large one."""
        message = str(error) if error.status != 413 else f"Request must be smaller than {MAX_BODY} bytes."
        code = _REFUSED.get(error.status, "InvalidRequestContentException")
        return self._model.error(AwsError(code, message, status=error.status), _new_id())

    async def _handle(self, request: Request, request_id: str) -> Answer | Streamed:
        path, _, query = request.target.partition("?")
        private = path.startswith(PREFIX)
        if private:
            unsigned = await self._private.unsigned(path, query, request.headers.get("Authorization") or "")
            if unsigned is not None:
                return unsigned
        key = self._verifier.verify(request, time.time())
        if private:
            if key.owner:
                raise AwsError("AccessDeniedException", "The key of an instance opens AWS's APIs, but not this one.")
            return await self._private.handle(request.method, path, query, request.body)
        operation, parameters = self._route(request.method, path, query)
        name = operation.name
        if name == "Invoke":
            return await self._invoke.invoke(request, request_id)
        if name == "InvokeWithResponseStream":
            return await self._invoke.invoke_with_response_stream(request, request_id)
        act = self._operations.table.get(name)
        if act is None:
            raise AwsError(
                "OperationNotSupportedException",
                f"{name} is an operation of AWS Lambda that this local platform does not support. "
                f"It supports Invoke, InvokeWithResponseStream, {', '.join(sorted(self._operations.table))}.",
            )
        given = self._model.parse(operation, parameters, query, request.headers, request.body)
        return self._model.serialise(operation, await act(given), request_id)


def _new_id() -> str:
    """A random UUID (version 4) as text; what `uuid.uuid4` does besides takes several times as long."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"
