"""Function URLs served: each on a loopback port of its own, so that they need no DNS.

`http://127.0.0.1:PORT/` stands for AWS's `https://ID.lambda-url.REGION.on.aws/`. A URL has the same port again after a
restart when nobody took it meanwhile. AuthType NONE lets in whom the function's policy lets in (only AWS's console adds
that statement by itself, else AddPermission does); AWS_IAM takes what is signed with the platform's key.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import web

from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.attachments import Attachments, Record
from workbench.faas.functions.function import ACCOUNT
from workbench.faas.functions.names import function_arn
from workbench.faas.functions.policies import INVOKE_URL, allows
from workbench.faas.operations import Resolved
from workbench.faas.running.calls import Outcome
from workbench.faas.running.response_stream import ResponseStream
from workbench.faas.running.supervisor import Supervisor
from workbench.faas.sigv4 import SignedRequest, Verifier
from workbench.faas.urls import url_answers as answers
from workbench.faas.urls import url_cors as cors
from workbench.faas.urls import url_events as events

HOST = "127.0.0.1"

Resolve = Callable[[str, str | None], Resolved]
"""The version that an invocation of a name and qualifier goes to. Raises AwsError when there is none."""


class UrlServer:
    """All function URLs; what is configured is in the attachments."""

    def __init__(
        self, resolve: Resolve, supervisor: Supervisor, verifier: Verifier, attachments: Attachments, region: str
    ) -> None:
        self._resolve = resolve
        self._supervisor = supervisor
        self._verifier = verifier
        self._attachments = attachments
        self._region = region
        self._named: dict[int, tuple[str, str]] = {}
        self._sites: dict[tuple[str, str], tuple[web.SockSite, int]] = {}
        self._runner: web.ServerRunner | None = None
        attachments.urls.gone = self._forget

    # ---- listening ---------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Listen for every URL of an earlier platform."""
        for function, qualifier, record in self._attachments.urls.all():
            port = await self.open(function, qualifier, record["port"])
            if port != record["port"]:
                await self._attachments.urls.put(function, qualifier, {**record, "port": port})

    async def open(self, function: str, qualifier: str, port: int = 0) -> int:
        """Listen for one URL, on that port if it is free; returns the port."""
        if self._runner is None:
            server = web.Server(self._handle, request_factory=self._request, access_log=None, keepalive_timeout=75)
            self._runner = web.ServerRunner(server, shutdown_timeout=1)
            await self._runner.setup()
        listener = _listener(port)
        bound: int = listener.getsockname()[1]
        site = web.SockSite(self._runner, listener, backlog=1024)
        await site.start()
        self._named[bound] = function, qualifier
        self._sites[function, qualifier] = site, bound
        return bound

    async def _forget(self, function: str, qualifier: str) -> None:
        site, port = self._sites.pop((function, qualifier), (None, 0))
        if site is not None:
            del self._named[port]
            await site.stop()

    async def stop_listening(self) -> None:
        """Take no new connections; what is under way goes on."""
        for site, _ in self._sites.values():
            await site.stop()

    async def close(self) -> None:
        """Close everything."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @staticmethod
    def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=events.MAX_PAYLOAD)

    # ---- requests ----------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        allowed: cors.Pairs | None = None
        try:
            name, qualifier = self._named.get(_port(request), ("", ""))
            record = self._attachments.urls.get(name, qualifier)
            if record is None:
                return answers.refused(403, "Forbidden", request_id)
            if record.get("Cors"):
                preflight = cors.is_preflight(request.method, request.headers)
                origin = request.headers.get("Origin", "")
                allowed = cors.answer_headers(record["Cors"], origin, preflight=preflight)
                if preflight:
                    return answers.response(events.UrlAnswer(200), request_id, allowed)
            return await self._invoke(request, name, qualifier, record, request_id, allowed)
        except AwsError as error:
            return answers.refused(*answers.translated(error), request_id, allowed)
        except web.HTTPRequestEntityTooLarge:
            return answers.refused(413, "Request Entity Too Large", request_id, allowed)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return answers.refused(500, "Internal Server Error", request_id, allowed)

    async def _invoke(
        self,
        request: web.BaseRequest,
        name: str,
        qualifier: str,
        record: Record,
        request_id: str,
        allowed: cors.Pairs | None,
    ) -> web.StreamResponse:
        body = await request.read() if request.body_exists else b""
        caller = self._admit(request, name, qualifier, record, body)
        target = self._resolve(name, qualifier or None)
        given = events.UrlRequest(
            method=request.method,
            target=request.raw_path,
            headers=request.headers.items(),
            body=body,
            source_ip=request.remote or "",
            port=_port(request),
            url_id=record["id"],
            request_id=request_id,
            now_s=time.time(),
            account=ACCOUNT,
            caller=caller,
        )
        payload = json.dumps(events.event(given), ensure_ascii=False).encode(errors="replace")
        if len(payload) > events.MAX_PAYLOAD:
            return answers.refused(413, "Request Entity Too Large", request_id, allowed)
        if record["InvokeMode"] == "RESPONSE_STREAM":
            return await self._stream(request, target, payload, request_id, allowed)
        outcome = await self._supervisor.invoke(target.function, payload, request=request_id, arn=target.invoked_arn)
        return answers.buffered(outcome, allowed)

    def _admit(self, request: web.BaseRequest, name: str, qualifier: str, record: Record, body: bytes) -> str:
        """The access key that signed the request, empty for anybody; raises AwsError when it may not pass."""
        if record["AuthType"] == "AWS_IAM":
            signed = SignedRequest(request.method, request.raw_path, request.headers, request.raw_headers, body)
            self._verifier.verify(signed, time.time())
            return request.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        policy = self._attachments.policies.get(name, qualifier) or {"statements": []}
        context = {"lambda:FunctionUrlAuthType": "NONE", "lambda:InvokedViaFunctionUrl": "true"}
        arn = function_arn(self._region, name, qualifier or None)
        if not allows(policy["statements"], action=INVOKE_URL, resource=arn, context=context):
            raise AwsError("AccessDeniedException", "Forbidden")
        return ""

    async def _stream(
        self,
        request: web.BaseRequest,
        target: Resolved,
        payload: bytes,
        request_id: str,
        allowed: cors.Pairs | None,
    ) -> web.StreamResponse:
        stream = ResponseStream()
        running = asyncio.ensure_future(
            self._supervisor.invoke(target.function, payload, request=request_id, sink=stream, arn=target.invoked_arn)
        )
        running.add_done_callback(lambda _: stream.end())
        try:
            if not await stream.begun():
                return answers.buffered(await running, allowed)
            return await self._pass_on(request, stream, running, request_id, allowed)
        except BaseException:  # nobody reads any more, but the function may finish
            stream.abandon()
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def _pass_on(
        self,
        request: web.BaseRequest,
        stream: ResponseStream,
        running: asyncio.Future[Outcome],
        request_id: str,
        allowed: cors.Pairs | None,
    ) -> web.StreamResponse:
        try:
            start = answers.stream_head(stream)
        except events.Malformed as error:
            stream.abandon()
            await running
            return answers.failed(str(error), request_id, allowed)
        response = web.StreamResponse(status=start.status, headers=answers.all_headers(start, request_id, allowed))
        await response.prepare(request)
        async for chunk in stream:
            await response.write(chunk)
        outcome = await running
        if (stream.failed or outcome.error is not None) and request.transport is not None:
            request.transport.abort()  # what was sent must not pass for the whole answer
        else:
            await response.write_eof()
        return response


def _port(request: web.BaseRequest) -> int:
    address = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return int(address[1]) if address else 0


def _listener(port: int) -> socket.socket:
    for wanted in (port, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted))
        except OSError:
            listener.close()
            if wanted == 0:
                raise
        else:
            return listener
    raise AssertionError("a port of the system's own choice is always tried")
