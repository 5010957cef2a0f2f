"""Requests as events of payload format 2.0, judged by AWS Powertools' own parser, and answers as responses."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from aws_lambda_powertools.utilities.data_classes import LambdaFunctionUrlEvent
from aws_lambda_powertools.utilities.parser.models import LambdaFunctionUrlModel
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.urls.url_events import Malformed, UrlAnswer, UrlRequest, answer, event

NOW = 1583348638.390


def requested(method: str = "GET", target: str = "/", body: bytes = b"", *headers: tuple[str, str], **more: Any) -> Any:
    values: dict[str, Any] = {
        "source_ip": "127.0.0.1",
        "port": 4000,
        "url_id": "abc123",
        "request_id": "8f507cfc-5a5e-4c6c-9a3b-2d2b8e9f1a11",
        "now_s": NOW,
        "account": "000000000000",
    }
    return event(UrlRequest(method, target, (("Host", "127.0.0.1:4000"), *headers), body, **{**values, **more}))


def test_a_request_is_the_event_that_aws_documents() -> None:
    found = requested(
        "POST",
        "/my%20path/x?parameter1=value1&parameter1=value2&parameter2=a%26b",
        b"Hello from client!",
        ("Header1", "value1"),
        ("HEADER2", "value1"),
        ("header2", "value2"),
        ("Cookie", "cookie1=a; cookie2=b"),
        ("User-Agent", "agent"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Forwarded-For", "6.6.6.6"),
    )
    trace = found["headers"].pop("x-amzn-trace-id")
    assert trace.startswith("Root=1-5e5ffb9e-8f507cfc5a5e4c6c9a3b2d2b")
    assert found == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my%20path/x",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a%26b",
        "cookies": ["cookie1=a", "cookie2=b"],
        "headers": {
            "host": "127.0.0.1:4000",
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": "agent",
            "content-type": "text/plain; charset=utf-8",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "4000",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "a&b"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc123",
            "domainName": "127.0.0.1:4000",
            "domainPrefix": "abc123",
            "http": {
                "method": "POST",
                "path": "/my path/x",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "agent",
            },
            "requestId": "8f507cfc-5a5e-4c6c-9a3b-2d2b8e9f1a11",
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "body": "Hello from client!",
        "isBase64Encoded": False,
    }


def test_what_a_request_does_not_have_its_event_does_not_either() -> None:
    assert not {"cookies", "queryStringParameters", "body"} & set(requested())


def test_who_signed_is_in_the_authorizer() -> None:
    context = requested(caller="AKIA123")["requestContext"]
    assert context["accountId"] == "000000000000"
    assert context["authorizer"]["iam"]["accessKey"] == "AKIA123"
    assert context["authorizer"]["iam"]["userArn"] == "arn:aws:iam::000000000000:root"
    assert "authorizer" not in requested()["requestContext"]


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/html", "grüße".encode(), True),
        ("application/json", b"{}", True),
        ("application/problem+json; charset=utf-8", b"{}", True),
        ("application/x-www-form-urlencoded", b"a=1", False),
        ("image/png", b"abc", False),
        ("", b"abc", False),
        ("text/plain", b"\xff\xfe", False),
    ],
)
def test_text_travels_as_text_and_the_rest_in_base64(kind: str, body: bytes, text: bool) -> None:
    found = requested("POST", "/", body, ("Content-Type", kind))
    assert found["isBase64Encoded"] is not text
    assert found["body"] == (body.decode() if text else base64.b64encode(body).decode())


_token = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABCXYZ-0123456789"), min_size=1, max_size=12)
_value = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20).map(str.strip)
_pairs = st.lists(st.tuples(st.text(max_size=6).filter(bool), st.text(max_size=6)), max_size=6)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]),
    path=st.lists(st.text(st.sampled_from("abc%20é/.~"), max_size=6), max_size=4).map("/".join),
    query=_pairs,
    headers=st.lists(st.tuples(_token, _value), max_size=8),
    body=st.binary(max_size=64),
    kind=st.sampled_from(["", "text/plain", "application/json", "application/octet-stream"]),
    caller=st.sampled_from(["", "AKIA123"]),
)
def test_powertools_reads_back_what_was_sent(
    method: str,
    path: str,
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
    body: bytes,
    kind: str,
    caller: str,
) -> None:
    own = {"host", "cookie", "content-type", "user-agent"}
    headers = [(n, v) for n, v in headers if n.lower() not in own and not n.lower().startswith("x-")]
    raw = urlencode(query)
    target = f"/{path}" + (f"?{raw}" if raw else "")
    made = requested(method, target, body, *headers, ("Content-Type", kind), caller=caller)
    json.dumps(made).encode()  # goes to the function
    LambdaFunctionUrlModel.model_validate(made)
    read = LambdaFunctionUrlEvent(made)
    assert read.http_method == method
    assert read.raw_query_string == raw
    assert (base64.b64decode(read.body or "") if read.is_base64_encoded else (read.body or "").encode()) == body
    for name, value in headers:
        assert value in read.headers[name.lower()].split(",") or value in read.headers[name.lower()]
    for name, value in parse_qsl(raw, keep_blank_values=True):
        assert value in read.query_string_parameters[name]


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("Hello, world!", b"Hello, world!"),
        ({"message": "hi"}, b'{"message": "hi"}'),
        ([1, 2], b"[1, 2]"),
        (None, b"null"),
        ({"body": "no status"}, b'{"body": "no status"}'),
    ],
)
def test_an_answer_without_status_is_the_body(value: object, body: bytes) -> None:
    found = answer(json.dumps(value).encode())
    assert found == UrlAnswer(200, body, [("content-type", "application/json")])


def test_an_answer_with_status_says_all_itself() -> None:
    found = answer(
        json.dumps(
            {
                "statusCode": 201,
                "headers": {"Content-Type": "text/html", "My-Number": 5, "Connection": "close", "My-Flag": True},
                "cookies": ["a=1; Secure", "b=2"],
                "body": "<p>é</p>",
            }
        ).encode()
    )
    assert found.status == 201
    assert found.body == "<p>é</p>".encode()
    assert found.headers == [
        ("Content-Type", "text/html"),
        ("My-Number", "5"),
        ("My-Flag", "true"),
        ("set-cookie", "a=1; Secure"),
        ("set-cookie", "b=2"),
    ]


def test_bodies_in_base64_are_decoded() -> None:
    value = {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(b"\x00\xff").decode()}
    assert answer(json.dumps(value).encode()).body == b"\x00\xff"


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "ok"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200.5},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nInjected: yes"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"": "c"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a\nb"]},
        {"statusCode": 200, "body": 5},
        {"statusCode": 200, "body": ["a"]},
        {"statusCode": 200, "isBase64Encoded": True, "body": "no base64!"},
    ],
)
def test_an_answer_that_is_no_response_is_named_so(value: object) -> None:
    with pytest.raises(Malformed):
        answer(json.dumps(value).encode())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_responses = st.dictionaries(
    st.sampled_from(["statusCode", "headers", "cookies", "body", "isBase64Encoded", "other"]), _json, max_size=6
)


@given(value=_json | _responses)
def test_whatever_a_function_answers_is_a_response_or_malformed(value: object) -> None:
    try:
        found = answer(json.dumps(value).encode())
    except Malformed:
        return
    assert 200 <= found.status <= 599
    for name, text in found.headers:
        assert name
        assert not set("\r\n\0") & set(name + text)


@given(payload=st.binary(max_size=40))
def test_bytes_that_are_no_json_are_malformed(payload: bytes) -> None:
    try:
        answer(payload)
    except Malformed:
        pass
