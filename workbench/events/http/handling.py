"""The way of one request through a gateway: stage, route, limits, event, function, answer. No socket is opened here.

`Gateway` is the handler of an `http_front.Front`. Which API a request is for, `locate` says; `backend` calls functions;
`watch` is told what became of each.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from botocore.exceptions import ClientError
from multidict import CIMultiDict

from workbench.errors import WorkbenchError
from workbench.events.http import cors, payload_v1, payload_v2
from workbench.events.http.apis import MAX_BODY, Api, Call, Integration, Kind, Routed
from workbench.events.http.backend import MAX_EVENT, Backend, NotRun, Returned, Streaming
from workbench.events.http.refusals import Refusal, refusal
from workbench.events.http.throttle import Throttle
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.http_wire import BadRequest, Request
from workbench.faas.urls.url_events import Malformed, UrlAnswer

_LIMIT = "a function takes an event of at most 6 MB"
_BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Located:
    """The API that a request is for, and its target from there on."""

    api: Api
    target: str


Locate = Callable[[str], Awaitable[Located | None]]
"""Finds the API by the request's target; None when there is none."""


class Watch(Protocol):
    """Is told of each request that has a route, by the ids and names that the flow has."""

    def received(self, routed: Routed, function: str, request_id: str) -> None:
        """It is for a function, and is passed on."""

    def ended(self, routed: Routed, function: str, request_id: str, instance: str, failure: str) -> None:
        """It is answered; `failure` says why not by the function, else it is empty."""


class Unwatched:
    """Nobody looks."""

    def received(self, routed: Routed, function: str, request_id: str) -> None:
        """Nothing."""

    def ended(self, routed: Routed, function: str, request_id: str, instance: str, failure: str) -> None:
        """Nothing."""


class Gateway:
    """Answers the HTTP requests of all APIs that `locate` finds."""

    def __init__(self, locate: Locate, backend: Backend, watch: Watch | None = None, *, default: Kind) -> None:
        self.port = 0
        self._locate = locate
        self._backend = backend
        self._watch = watch or Unwatched()
        self._default = default
        self._throttle = Throttle()

    async def handle(self, request: Request) -> Answer | Streamed:
        """The answer to one request; raises nothing."""
        request_id = _new_id()
        kind = self._default
        try:
            found = await self._locate(_origin_form(request.target))
            if found is None:
                return _answer(refusal(kind, Refusal.NO_STAGE, "there is no such API"), kind, request_id)
            kind = found.api.kind
            headers = tuple((n.decode("latin-1"), v.decode("latin-1").strip()) for n, v in request.raw_headers)
            call = Call(request.method, found.target, headers, request.body, self.port, request_id, time.time())
            return await self._answer(found.api, call)
        except (WorkbenchError, ClientError) as error:  # of what the API is read from
            return _answer(refusal(kind, Refusal.MISCONFIGURED, str(error)), kind, request_id)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return _answer(refusal(kind, Refusal.MISCONFIGURED, str(error)), kind, request_id)

    def admit(self, request: Request) -> None:
        """A gateway is open to all who reach it, for bodies up to its limit."""
        if request.length is not None and request.length > MAX_BODY:
            raise BadRequest(413)

    def refusal(self, error: BadRequest) -> Answer:
        """The answer to what is no request, or a too large one."""
        kind = self._default
        if error.status == 413:
            return _answer(refusal(kind, Refusal.TOO_LARGE), kind, _new_id())
        body = json.dumps({"message": str(error)}).encode()
        return _answer(UrlAnswer(error.status, body, [("content-type", "application/json")]), kind, _new_id())

    # ---- one request -------------------------------------------------------------------------------------------------

    async def _answer(self, api: Api, call: Call) -> Answer | Streamed:
        shared: cors.Pairs | None = None
        if api.cors is not None:
            preflight = cors.is_preflight(call)
            shared = cors.allowed(api.cors, call, preflight=preflight)
            if preflight:
                return _answer(UrlAnswer(204), api.kind, call.request_id, shared)
        made = await self._through(api, call)
        if isinstance(made, Streaming):
            return Streamed(made.head.status, made.chunks, _headers(made.head, api.kind, call.request_id, shared))
        return _answer(made, api.kind, call.request_id, shared)

    async def _through(self, api: Api, call: Call) -> UrlAnswer | Streaming:
        place = api.stage_of(call.path)
        if place is None:
            return refusal(api.kind, Refusal.NO_STAGE)
        stage, path = place
        match = api.match(call.method, path)
        if match is None:
            return refusal(api.kind, Refusal.NO_ROUTE, f"no route for {call.method} {path}")
        routed = Routed(api, stage, match, path)
        bucket, limit = stage.limit_of(match.route.key)
        if not self._throttle.take((api.id, stage.name, bucket), limit, call.now_s):
            return refusal(api.kind, Refusal.TOO_MANY)
        integration = api.integrations.get(match.route.target)
        if integration is None:
            return refusal(api.kind, Refusal.MISCONFIGURED, f"{match.route.key} has no integration")
        if integration.refused:
            return refusal(api.kind, Refusal.NOT_LET_IN, integration.refused)
        return await self._invoke(call, routed, stage.filled(integration))

    async def _invoke(self, call: Call, routed: Routed, integration: Integration) -> UrlAnswer | Streaming:
        if len(call.body) > MAX_EVENT:  # before the work of making an event of it
            return refusal(routed.api.kind, Refusal.TOO_LARGE, _LIMIT)
        kind, names = routed.api.kind, (routed, integration.function, call.request_id)
        make = payload_v2.event if integration.payload == "2.0" else payload_v1.event
        event = json.dumps(make(call, routed), ensure_ascii=False).encode(errors="replace")
        if len(event) > MAX_EVENT:
            return refusal(kind, Refusal.TOO_LARGE, _LIMIT)
        self._watch.received(*names)
        instance, failure = "", ""
        try:
            async with asyncio.timeout(integration.timeout_s):
                returned = await self._backend.invoke(integration, event, call.request_id)
            if isinstance(returned, Streaming):
                return returned
            instance = returned.instance
            answer, failure = self._read(returned, call, routed, integration)
            return answer
        except TimeoutError:
            failure = f"no answer within {integration.timeout_s:g} s"
            return refusal(kind, Refusal.TIMED_OUT, failure)
        except NotRun as error:
            failure = str(error)
            return refusal(kind, error.why, failure)
        except asyncio.CancelledError:
            failure = "the gateway ended"
            raise
        finally:
            self._watch.ended(*names, instance, failure)

    @staticmethod
    def _read(returned: Returned, call: Call, routed: Routed, integration: Integration) -> tuple[UrlAnswer, str]:
        """The response that a function's answer is, and why it is none of the function's."""
        kind, failure = routed.api.kind, ""
        try:
            if returned.error:
                raise Malformed("the function failed; see its log")
            if integration.payload == "2.0":
                answer = payload_v2.answer(returned.payload)
            else:
                answer = payload_v1.answer(returned.payload, call, routed)
            if len(answer.body) > MAX_EVENT:
                raise Malformed("its answer is larger than 6 MB")
        except Malformed as error:
            failure = str(error)
            answer = refusal(kind, Refusal.FAILED, failure)
        return UrlAnswer(answer.status, answer.body, [*answer.headers, *returned.headers]), failure


def _answer(made: UrlAnswer, kind: Kind, request_id: str, shared: cors.Pairs | None = None) -> Answer:
    body = b"" if made.status in _BODILESS else made.body  # it would pass for the beginning of the next answer
    return Answer(made.status, body, _headers(made, kind, request_id, shared))


def _headers(made: UrlAnswer, kind: Kind, request_id: str, shared: cors.Pairs | None) -> CIMultiDict[str]:
    own = made.headers if shared is None else cors.without_own(made.headers) + shared
    names = ["apigw-requestid"] if kind is Kind.HTTP else ["x-amzn-RequestId", "x-amz-apigw-id"]
    return CIMultiDict([*own, *((name, request_id) for name in names)])


def _origin_form(target: str) -> str:
    """The target as a path with query; a client may write the whole URL, as to a proxy."""
    return target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]


def _new_id() -> str:
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"
