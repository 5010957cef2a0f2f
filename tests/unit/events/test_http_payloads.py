"""Requests to APIs as events of both payload formats, judged by Powertools' own parser, and answers as responses."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel, APIGatewayProxyEventV2Model
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.http import payload_v1, payload_v2
from workbench.events.http.apis import Api, Call, Integration, Kind, Routed, Stage
from workbench.events.http.routes import Route, Routes
from workbench.faas.urls.url_events import Malformed

ID = "8f507cfc-5a5e-4c6c-9a3b-2d2b8e9f1a11"


def called(
    target: str = "/", body: bytes = b"", *headers: tuple[str, str], method: str = "GET", host: bool = True
) -> Call:
    named = (("Host", "127.0.0.1:4000"),) if host else ()
    return Call(method, target, (*named, *headers), body, 4000, ID, 1583348638.390)


def routed(
    call: Call, key: str, kind: Kind, *, stage: str = "$default", binary: tuple[str, ...] = (), **variables: str
) -> Routed:
    stages = {stage: Stage(stage, variables)}
    routes = Routes([Route(key, id="res123")])
    api = Api("abc123", kind, "arn:x", "000000000000", routes, {"": Integration("f")}, stages, binary_types=binary)
    place = api.stage_of(call.path)
    assert place is not None
    match = api.match(call.method, place[1])
    assert match is not None
    return Routed(api, place[0], match, place[1])


def v2(call: Call, key: str = "$default", **more: Any) -> dict[str, Any]:
    made = payload_v2.event(call, routed(call, key, Kind.HTTP, **more))
    APIGatewayProxyEventV2Model.model_validate(made)
    return made


def v1(call: Call, key: str, kind: Kind = Kind.REST, **more: Any) -> dict[str, Any]:
    made = payload_v1.event(call, routed(call, key, kind, **more))
    APIGatewayProxyEventModel.model_validate(made)
    return made


def test_a_request_to_an_http_api_has_its_route_stage_and_variables() -> None:
    call = called("/prod/prices/A%201?x=1&x=2", b"", ("Cookie", "a=1; b=2"), ("User-Agent", "agent"))
    made = v2(call, "GET /prices/{sku}", stage="prod", colour="red")
    assert (made["routeKey"], made["rawPath"], made["rawQueryString"]) == (
        "GET /prices/{sku}",
        "/prod/prices/A%201",
        "x=1&x=2",
    )
    assert made["pathParameters"] == {"sku": "A 1"}
    assert made["stageVariables"] == {"colour": "red"}
    assert made["queryStringParameters"] == {"x": "1,2"}
    assert made["cookies"] == ["a=1", "b=2"]
    context = made["requestContext"]
    assert (context["stage"], context["routeKey"], context["apiId"], context["accountId"]) == (
        "prod",
        "GET /prices/{sku}",
        "abc123",
        "000000000000",
    )
    assert context["http"]["path"] == "/prod/prices/A 1"
    assert not {"body"} & made.keys()


def test_what_a_request_to_an_http_api_does_not_have_is_left_out() -> None:
    made = v2(called("/"))
    assert not {"pathParameters", "stageVariables", "queryStringParameters", "cookies", "body"} & made.keys()


def test_a_request_to_a_rest_api_is_the_event_that_aws_documents() -> None:
    call = called(
        "/prod/prices/A1?x=1&x=2&y=",
        b"hello",
        ("X-Mine", "one"),
        ("X-Mine", "two"),
        ("User-Agent", "agent"),
        method="POST",
    )
    made = v1(call, "POST /prices/{sku}", stage="prod", colour="red")
    trace = made["headers"].pop("X-Amzn-Trace-Id")
    assert trace == "Root=1-5e5ffb9e-8f507cfc5a5e4c6c9a3b2d2b"
    assert made["multiValueHeaders"].pop("X-Amzn-Trace-Id") == [trace]
    forwarded = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "4000", "X-Forwarded-Proto": "http"}
    nobody = dict.fromkeys(
        [
            "accessKey",
            "accountId",
            "caller",
            "cognitoAuthenticationProvider",
            "cognitoAuthenticationType",
            "cognitoIdentityId",
            "cognitoIdentityPoolId",
            "principalOrgId",
            "user",
            "userArn",
        ]
    )
    assert made == {
        "resource": "/prices/{sku}",
        "path": "/prices/A1",
        "httpMethod": "POST",
        "headers": {"Host": "127.0.0.1:4000", "X-Mine": "two", "User-Agent": "agent", **forwarded},
        "multiValueHeaders": {
            "Host": ["127.0.0.1:4000"],
            "X-Mine": ["one", "two"],
            "User-Agent": ["agent"],
            **{name: [value] for name, value in forwarded.items()},
        },
        "queryStringParameters": {"x": "2", "y": ""},
        "multiValueQueryStringParameters": {"x": ["1", "2"], "y": [""]},
        "pathParameters": {"sku": "A1"},
        "stageVariables": {"colour": "red"},
        "body": "hello",
        "isBase64Encoded": False,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc123",
            "domainName": "127.0.0.1:4000",
            "domainPrefix": "abc123",
            "extendedRequestId": ID,
            "httpMethod": "POST",
            "identity": {**nobody, "sourceIp": "127.0.0.1", "userAgent": "agent"},
            "path": "/prod/prices/A1",
            "protocol": "HTTP/1.1",
            "requestId": ID,
            "requestTime": "04/Mar/2020:19:03:58 +0000",
            "requestTimeEpoch": 1583348638390,
            "resourceId": "res123",
            "resourcePath": "/prices/{sku}",
            "stage": "prod",
        },
    }


def test_what_a_request_to_a_rest_api_does_not_have_is_null() -> None:
    made = v1(called("/prod"), "GET /", stage="prod")
    absent = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
    assert [made[name] for name in absent] == [None] * 5


def test_an_http_api_may_use_the_older_format() -> None:
    made = v1(called("/prod/x", b"\xff"), "ANY /{proxy+}", Kind.HTTP, stage="prod")
    assert (made["version"], made["resource"], made["path"]) == ("1.0", "/{proxy+}", "/prod/x")
    assert (made["isBase64Encoded"], made["body"]) == (True, "/w==")


@pytest.mark.parametrize(
    ("kind", "types", "expected"),
    [
        ("image/png", ("image/png",), True),
        ("image/png; x=1", ("image/*",), True),
        ("IMAGE/PNG", ("*/*",), True),
        ("", ("*/*",), True),
        ("", ("image/*",), False),
        ("text/html", ("image/*", "text/plain"), False),
        ("image/png", (), False),
    ],
)
def test_media_types_that_are_binary(kind: str, types: tuple[str, ...], expected: bool) -> None:
    assert payload_v1.matches(kind, types) is expected


TEXT = st.text(max_size=8)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(TEXT.filter(bool), st.lists(TEXT, min_size=1, max_size=3), max_size=3), st.binary(max_size=20))
def test_nothing_of_a_query_or_body_is_lost(query: dict[str, list[str]], body: bytes) -> None:
    encoded = urlencode(query, doseq=True)
    call = called(f"/prod/x?{encoded}", body, ("Content-Type", "application/octet-stream"), method="POST")
    old = v1(call, "POST /x", stage="prod", binary=("*/*",))
    assert (old["multiValueQueryStringParameters"] or {}) == query
    new = v2(call, "POST /x", stage="prod")
    assert parse_qs(new["rawQueryString"], keep_blank_values=True) == query
    for made in (old, new):
        assert base64.b64decode(made.get("body") or "") == body


# ---- answers ---------------------------------------------------------------------------------------------------------


def answered(value: Any, *, accept: str = "", binary: tuple[str, ...] = (), kind: Kind = Kind.REST) -> Any:
    call = called("/prod/x", b"", *([("Accept", accept)] if accept else []))
    payload = value if isinstance(value, bytes) else json.dumps(value).encode()
    return payload_v1.answer(payload, call, routed(call, "GET /x", kind, stage="prod", binary=binary))


def test_an_answer_of_the_older_format_is_a_response() -> None:
    found = answered(
        {
            "statusCode": 201,
            "headers": {"X-One": "1", "Set-Cookie": "lost=1"},
            "multiValueHeaders": {"set-cookie": ["a=1", "b=2"]},
            "body": "made",
        }
    )
    assert (found.status, found.body) == (201, b"made")
    assert found.headers == [
        ("X-One", "1"),
        ("content-type", "application/json"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]


def test_a_type_among_headers_of_several_values_is_the_only_one() -> None:
    found = answered({"statusCode": 200, "multiValueHeaders": {"Content-Type": ["text/html"]}})
    assert found.headers == [("Content-Type", "text/html")]


@pytest.mark.parametrize(
    ("accept", "binary", "expected"),
    [
        ("image/png", ("image/png",), b"\xff"),
        ("image/png, text/html", ("image/png",), b"\xff"),
        ("text/html, image/png", ("image/png",), b"/w=="),
        ("image/png", (), b"/w=="),
        ("", ("*/*",), b"\xff"),
    ],
)
def test_a_rest_api_decodes_for_who_accepts_it(accept: str, binary: tuple[str, ...], expected: bytes) -> None:
    value = {"statusCode": 200, "isBase64Encoded": True, "body": "/w=="}
    assert answered(value, accept=accept, binary=binary).body == expected


def test_an_http_api_decodes_always() -> None:
    value = {"statusCode": 200, "isBase64Encoded": True, "body": "/w=="}
    assert answered(value, kind=Kind.HTTP).body == b"\xff"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        None,
        "text",
        [1],
        {},
        {"statusCode": "x"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
        {"statusCode": 200, "multiValueHeaders": {"a": ["b\n"]}},
        {"statusCode": 200, "cookies": ["a=1"]},
    ],
)
def test_what_is_no_response_is_malformed(value: Any) -> None:
    with pytest.raises(Malformed):
        answered(value)


def test_an_http_api_overlooks_what_it_does_not_know() -> None:
    assert answered({"statusCode": 200, "more": 1}, kind=Kind.HTTP).status == 200


@settings(deadline=None, max_examples=80)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["statusCode", "headers", "body", "a"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_a_function_returns_is_a_response_or_malformed(value: Any) -> None:
    try:
        found = answered(value)
    except Malformed:
        return
    assert 200 <= found.status <= 599
    assert isinstance(found.body, bytes)
    assert all("\n" not in name + item for name, item in found.headers)
