"""The process of the AWS services, and the way of a request to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from workbench.errors import DeploymentError
from workbench.events.embedded.handover import Handover
from workbench.events.embedded.upstream import Response, Upstream
from workbench.events.flow import Flow
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.functions.function import ACCOUNT
from workbench.faas.http_wire import Request
from workbench.faas.operations.context import Table
from workbench.session import session_dir

SERVICES = ("apigateway", "dynamodb", "events", "kinesis", "s3", "scheduler", "ses", "sns", "sqs", "sts")
"""What answers, by the service's name in signatures: DynamoDB's streams and both API Gateways are among them."""

_READY_S = 60.0
_END_S = 5.0
_OWN = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}  # the front writes these


class Embedded:
    """The services of one platform; a companion of it, and its `AwsServices`. Their data ends with it."""

    operations: Table = {}  # noqa: RUF012 -- none: it has no word in Lambda's API

    def __init__(self, host: Host, flow: Flow) -> None:
        self._directory = Path(tempfile.mkdtemp(dir=session_dir(), prefix="aws."))  # 0700: this user's alone
        self._upstream = Upstream(self._directory / "aws.sock")
        self._handover = Handover(host, flow)
        self._ready = asyncio.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workbench.events.embedded.inside", str(self._directory)],
            stdin=subprocess.PIPE,  # its end is the platform's: nobody else holds it
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the platform's to handle
            env={**os.environ, "MOTO_ACCOUNT_ID": ACCOUNT, "MOTO_DISABLE_GLOBAL_CORS": "true"},
        )

    async def serve_aws(self, service: str, request: Request) -> Answer | Streamed:
        """The service's answer. Raises AwsError when there is no such service, or when it has ended."""
        if service not in SERVICES:
            raise AwsError(
                "OperationNotSupportedException",
                f"{service} is not among the services of this platform: lambda, {', '.join(SERVICES)}.",
            )
        await self._ready.wait()
        try:
            response = await self._upstream.send(request)
        except OSError as error:
            raise AwsError(
                "ServiceException",
                f"The AWS services of this platform do not answer ({error}); what they held is lost. "
                "Start the platform anew.",
                status=500,
            ) from error
        return _answer(request, response)

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """Nothing of its own."""
        return None

    async def resume(self) -> None:
        """Take events in, and wait until the services answer. Raises DeploymentError when they do not start."""
        await self._handover.listen(self._directory / "platform.sock")
        assert self._process.stdout is not None
        ready = asyncio.to_thread(self._process.stdout.readline)
        try:
            line = await asyncio.wait_for(ready, _READY_S)
        except TimeoutError:
            line = b""
        if line != b"ready\n":
            raise DeploymentError("The AWS services of `--aws` did not start; their last words stand above.")
        self._ready.set()

    async def stop(self) -> None:
        """Go on: functions that still run may use them."""

    async def close(self) -> None:
        """End the process, and remove what it had."""
        self._upstream.close()
        self._handover.close()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _answer(request: Request, response: Response) -> Answer | Streamed:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        if name.lower() not in _OWN:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if request.method != "HEAD":
        return Answer(response.status, response.body, headers)
    length = next((value for name, value in response.headers if name.lower() == "content-length"), "0")
    return Streamed(response.status, _nothing(), {**headers, "Content-Length": length})


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
