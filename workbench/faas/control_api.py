"""The platform's HTTP side: Lambda's API for any AWS SDK, and under `/_workbench/` what an SDK has no word for.

Every request is signed (SigV4, service `lambda`) but for what `PrivateApi.unsigned` answers.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from workbench.faas.api_model import Answer, ApiModel
from workbench.faas.aws_errors import AwsError
from workbench.faas.event_queue import EventQueue
from workbench.faas.invoke_api import InvokeApi
from workbench.faas.operations import MAX_ZIP, Operations
from workbench.faas.private_api import PREFIX, PrivateApi
from workbench.faas.sigv4 import SignedRequest, Verifier
from workbench.faas.supervisor import Supervisor

MAX_BODY = MAX_ZIP * 4 // 3 + 2**20  # a ZIP travels in base64


class ControlApi:
    """Answers HTTP requests; `handle` is the aiohttp handler."""

    def __init__(
        self,
        model: ApiModel,
        verifier: Verifier,
        operations: Operations,
        supervisor: Supervisor,
        events: EventQueue,
        archive: Callable[[str], Path],
        isolation: str,
    ) -> None:
        self._model = model
        self._verifier = verifier
        self._operations = operations
        self._invoke = InvokeApi(model, operations, supervisor, events)
        self._private = PrivateApi(operations, supervisor, events, archive, isolation)
        self._route = lru_cache(1024)(model.route)  # load repeats a few paths thousands of times

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; whatever goes wrong is answered as AWS would."""
        request_id = str(uuid.uuid4())
        try:
            return await self._handle(request, request_id)
        except AwsError as error:
            return _response(self._model.error(error, request_id))
        except web.HTTPRequestEntityTooLarge:
            too_large = AwsError("RequestTooLargeException", f"Request must be smaller than {MAX_BODY} bytes.")
            return _response(self._model.error(too_large, request_id))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return _response(self._model.error(AwsError("ServiceException", f"Internal error: {error}"), request_id))

    async def _handle(self, request: web.BaseRequest, request_id: str) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await request.read() if request.body_exists else b""
        unsigned = self._private.unsigned(path, query)
        if unsigned is not None:
            return unsigned
        self._verifier.verify(
            SignedRequest(request.method, request.raw_path, request.headers, request.raw_headers, body), time.time()
        )
        if path.startswith(PREFIX):
            return await self._private.handle(request.method, path)
        operation, parameters = self._route(request.method, path, query)
        name = operation.name
        if name == "Invoke":
            return await self._invoke.invoke(request, path, query, body, request_id)
        act = self._operations.table.get(name)
        if act is None:
            raise AwsError(
                "OperationNotSupportedException",
                f"{name} is an operation of AWS Lambda that this local platform does not support. "
                f"It supports Invoke, {', '.join(sorted(self._operations.table))}.",
            )
        given = self._model.parse(operation, parameters, query, request.headers, body)
        return _response(self._model.serialise(operation, await act(given), request_id))


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
