"""How often APIs are read: once for many who ask, not again within half a second, and anew after that."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from workbench.events.http import catalogue
from workbench.events.http.apis import Kind
from workbench.events.http.catalogue import Catalogue


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Aws:
    """An AWS endpoint with one HTTP API and one REST API; counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.gone = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.asked.append(operation)
        await asyncio.sleep(0)
        if self.gone:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, operation)
        match operation, parameters:
            case "get_api", {"ApiId": "http"}:
                return {"ApiId": "http", "ProtocolType": "HTTP", "Name": "n"}
            case "get_rest_api", {"restApiId": "rest"}:
                return {"id": "rest", "name": "n"}
            case (("get_api" | "get_rest_api"), _):
                raise ClientError({"Error": {"Code": "NotFoundException"}}, operation)
            case "get_routes", {"NextToken": "more"}:
                return {"Items": [{"RouteKey": "GET /b"}]}
            case "get_routes", _:
                return {"Items": [{"RouteKey": "GET /a"}], "NextToken": "more"}
            case "get_resources", _:
                return {"items": [{"id": "r", "path": "/a", "resourceMethods": {"GET": {}}}]}
            case "get_stages", {"restApiId": _}:
                return {"item": [{"stageName": "prod"}]}
        return {"Items": []}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(catalogue, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def made(aws: Aws) -> Catalogue:
    return Catalogue(aws, "us-east-1")  # type: ignore[arg-type]


@on_a_loop
async def test_apis_of_both_kinds_are_found_with_all_their_pages() -> None:
    found = made(Aws())
    http, rest = await found.find("http"), await found.find("rest")
    assert http is not None
    assert rest is not None
    assert (http.kind, http.routes.keys) == (Kind.HTTP, ("GET /a", "GET /b"))
    assert (rest.kind, rest.routes.keys, list(rest.stages)) == (Kind.REST, ("GET /a",), ["prod"])
    assert await found.find("other") is None


@on_a_loop
async def test_what_can_be_no_id_is_not_asked_for() -> None:
    aws = Aws()
    for text in ("", "A", "a/b", "a" * 33, "%00"):
        assert await made(aws).find(text) is None
    assert aws.asked == []


@on_a_loop
async def test_many_who_ask_at_once_share_one_reading(clock: list[float]) -> None:
    aws = Aws()
    found = made(aws)
    apis = await asyncio.gather(*(found.find("http") for _ in range(10)))
    assert aws.asked.count("get_api") == 1
    assert all(api is apis[0] for api in apis)


@on_a_loop
async def test_what_was_read_is_kept_for_a_while_then_renewed_then_awaited(clock: list[float]) -> None:
    aws = Aws()
    found = made(aws)
    first = await found.find("http")
    clock[0] += 0.25
    assert await found.find("http") is first
    assert aws.asked.count("get_api") == 1
    clock[0] += 0.1  # now it is read again, beside
    assert await found.find("http") is first
    for _ in range(20):
        await asyncio.sleep(0)
    assert aws.asked.count("get_api") == 2
    second = await found.find("http")
    assert second is not first
    clock[0] += 0.6
    assert await found.find("http") is not second


@on_a_loop
async def test_an_endpoint_that_fails_is_said_and_asked_again(clock: list[float]) -> None:
    aws = Aws()
    found = made(aws)
    aws.gone = True
    with pytest.raises(ClientError):
        await found.find("http")
    aws.gone = False
    assert await found.find("http") is not None
