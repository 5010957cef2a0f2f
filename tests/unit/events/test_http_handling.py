"""The way of one request through a gateway, with a function that is written here."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from workbench.errors import DeploymentError
from workbench.events.http.apis import MAX_BODY, Api, Integration, Kind, Stage
from workbench.events.http.backend import NotRun, Returned
from workbench.events.http.handling import Gateway, Located
from workbench.events.http.refusals import Refusal
from workbench.events.http.routes import Route, Routes
from workbench.faas.front.api_model import Answer
from workbench.faas.http_wire import BadRequest, Request


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Backend:
    """Answers as it is told, and keeps the last event."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.event: dict[str, Any] = {}

    async def invoke(self, integration: Integration, event: bytes, request_id: str) -> Returned:
        self.event = json.loads(event)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Returned(json.dumps(self.answer).encode(), instance="one")


class Watch:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def received(self, routed: Any, function: str, request_id: str) -> None:
        self.told.append(("received", routed.match.route.key))

    def ended(self, routed: Any, function: str, request_id: str, instance: str, failure: str) -> None:
        self.told.append(("ended", instance, failure))


def gateway(answer: Any, kind: Kind = Kind.HTTP, **more: Any) -> tuple[Gateway, Backend, Watch]:
    stage = "$default" if kind is Kind.HTTP else "prod"
    payload = "2.0" if kind is Kind.HTTP else "1.0"
    integration = Integration("f", payload, **more)
    routes = Routes([Route("ANY /x"), Route("GET /alone", "nowhere")])
    api = Api("a", kind, "arn", "0", routes, {"": integration}, {stage: Stage(stage)})

    async def locate(target: str) -> Located:
        return Located(api, target)

    backend, watch = Backend(answer), Watch()
    return Gateway(locate, backend, watch, default=kind), backend, watch


async def asked(made: Gateway, target: str = "/x", body: bytes = b"", method: str = "GET") -> Answer:
    answer = await made.handle(Request(method, target, [(b"Host", b"h")], body))
    assert isinstance(answer, Answer)
    return answer


@on_a_loop
async def test_a_url_in_the_request_line_is_a_path() -> None:
    made, backend, _ = gateway({"statusCode": 200})
    assert (await asked(made, "http://h:1/x?a=1")).status == 200
    assert (backend.event["rawPath"], backend.event["rawQueryString"]) == ("/x", "a=1")


@on_a_loop
async def test_a_status_that_has_no_body_sends_none() -> None:
    for status in (204, 304):
        made, _, _ = gateway({"statusCode": status, "body": "not to be sent"})
        found = await asked(made)
        assert (found.status, found.body) == (status, b"")


@pytest.mark.parametrize(
    ("why", "of_http", "of_rest"),
    [
        (Refusal.FUNCTION_THROTTLED, (503, "Service Unavailable"), (500, "Internal server error")),
        (Refusal.MISCONFIGURED, (500, "Internal Server Error"), (500, "Internal server error")),
        (Refusal.FAILED, (500, "Internal Server Error"), (502, "Internal server error")),
    ],
)
@on_a_loop
async def test_a_function_that_did_not_run(why: Refusal, of_http: tuple[int, str], of_rest: tuple[int, str]) -> None:
    for kind, path, expected in ((Kind.HTTP, "/x", of_http), (Kind.REST, "/prod/x", of_rest)):
        made, _, watch = gateway(NotRun(why, "the reason"), kind)
        found = await asked(made, path)
        assert (found.status, json.loads(found.body)["message"]) == expected
        assert found.headers["X-Workbench-Reason"] == "the reason"
        assert watch.told == [("received", "ANY /x"), ("ended", "", "the reason")]


@on_a_loop
async def test_what_the_flow_is_told_of_an_answer() -> None:
    made, _, watch = gateway({"statusCode": 200})
    await asked(made)
    assert watch.told == [("received", "ANY /x"), ("ended", "one", "")]


@on_a_loop
async def test_a_route_without_a_function_is_the_apis_fault() -> None:
    made, _, watch = gateway({"statusCode": 200})
    assert (await asked(made, "/alone")).status == 500
    assert watch.told == []


@on_a_loop
async def test_a_route_that_lets_nobody_in_does_not_reach_its_function() -> None:
    made, backend, watch = gateway({"statusCode": 200}, refused="who asks cannot be checked")
    found = await asked(made)
    assert (found.status, json.loads(found.body)) == (403, {"message": "Forbidden"})
    assert (backend.event, watch.told) == ({}, [])


@on_a_loop
async def test_an_answer_that_is_larger_than_a_function_may_give() -> None:
    made, _, _ = gateway({"statusCode": 200, "body": "x" * (6 * 2**20 + 1)})
    assert (await asked(made)).status == 500


@on_a_loop
async def test_a_body_that_is_larger_than_an_event_is_refused_before_the_function() -> None:
    made, backend, _ = gateway({"statusCode": 200})
    assert (await asked(made, body=b"x" * (6 * 2**20), method="POST")).status == 413
    assert backend.event == {}


def test_a_request_that_says_it_is_too_large_is_not_taken_in() -> None:
    made, _, _ = gateway(None)
    request = Request("POST", "/x", [])
    request.length = MAX_BODY + 1
    with pytest.raises(BadRequest):
        made.admit(request)
    request.length = MAX_BODY
    made.admit(request)
    assert made.refusal(BadRequest(400, "why")).status == 400


@on_a_loop
async def test_a_reader_of_definitions_that_fails_is_said() -> None:
    async def locate(target: str) -> Located:
        raise DeploymentError("nothing answers there")

    found = await asked(Gateway(locate, Backend(None), default=Kind.HTTP))
    assert found.status == 500
    assert "nothing answers" in found.headers["X-Workbench-Reason"]
