"""Payload format 1.0: a request to a REST API as the function's event, and the function's answer as a response.

API Gateway developer guide, "Set up Lambda proxy integrations in API Gateway" (shapes, what is malformed) and "Content
type conversions in API Gateway" (binary bodies). An HTTP API may use this format, too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from workbench.events.http.apis import Call, Kind, Routed
from workbench.events.http.routes import DEFAULT
from workbench.faas.urls.url_events import Malformed, UrlAnswer
from workbench.faas.urls.url_events import head as read_head

_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_NOBODY = (
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
)


def event(call: Call, routed: Routed) -> dict[str, Any]:
    """The event that the function gets; what a request does not have is None."""
    query = parse_qsl(call.target.partition("?")[2], keep_blank_values=True)
    headers = _headers(call)
    text, is_base64 = _body(call, routed)
    resource = routed.match.resource or DEFAULT
    is_rest = routed.api.kind is Kind.REST
    made: dict[str, Any] = {} if is_rest else {"version": "1.0"}
    return made | {
        "resource": resource,
        "path": routed.path if is_rest else call.path,
        "httpMethod": call.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": _lists(headers) or None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _lists(query) or None,
        "requestContext": _context(call, routed, resource),
        "pathParameters": dict(routed.match.parameters) or None,
        "stageVariables": dict(routed.stage.variables) or None,
        "body": text,
        "isBase64Encoded": is_base64,
    }


def _context(call: Call, routed: Routed, resource: str) -> dict[str, Any]:
    api, now = routed.api, datetime.fromtimestamp(call.now_s, UTC)
    identity: dict[str, Any] = dict.fromkeys(_NOBODY)
    return {
        "accountId": api.account,
        "apiId": api.id,
        "domainName": call.header("host"),
        "domainPrefix": api.id,
        "extendedRequestId": call.request_id,
        "httpMethod": call.method,
        "identity": {**identity, "sourceIp": call.source_ip, "userAgent": call.header("user-agent") or None},
        "path": call.path,
        "protocol": "HTTP/1.1",
        "requestId": call.request_id,
        "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": round(call.now_s * 1000),
        "resourceId": routed.match.route.id or None,
        "resourcePath": resource,
        "stage": routed.stage.name,
    }


def _headers(call: Call) -> list[tuple[str, str]]:
    """As they came, names with their capitals, and those that the gateway adds."""
    ours = {
        "X-Amzn-Trace-Id": f"Root=1-{int(call.now_s):08x}-{call.request_id.replace('-', '')[:24]}",
        "X-Forwarded-For": call.source_ip,
        "X-Forwarded-Port": str(call.port),
        "X-Forwarded-Proto": "http",
    }
    known = {name.lower() for name in ours}
    return [(name, value) for name, value in call.headers if name.lower() not in known] + list(ours.items())


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def _body(call: Call, routed: Routed) -> tuple[str | None, bool]:
    if not call.body:
        return None, False
    if routed.api.kind is Kind.REST and not matches(call.header("content-type"), routed.api.binary_types):
        return call.body.decode("utf-8", "replace"), False  # REST APIs take what is not told to be binary for text
    try:
        if routed.api.kind is Kind.HTTP:
            return call.body.decode(), False
    except UnicodeDecodeError:
        pass
    return base64.b64encode(call.body).decode(), True


def matches(kind: str, binary_types: Iterable[str]) -> bool:
    """Whether a media type is one of those that an API is told to treat as binary; `*` stands for anything."""
    kind = kind.partition(";")[0].partition(",")[0].strip().lower()
    main = kind.partition("/")[0]
    known = {item.lower() for item in binary_types}
    return "*/*" in known or (bool(kind) and (kind in known or f"{main}/*" in known))


# ---- answers ---------------------------------------------------------------------------------------------------------


def answer(payload: bytes, call: Call, routed: Routed) -> UrlAnswer:
    """What the function returned, as a response; raises Malformed.

    A REST API decodes a base64 body only for who accepts one of its binary media types.
    """
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    if not isinstance(value, dict):
        raise Malformed("it is no object with statusCode and body")
    if "statusCode" not in value:
        raise Malformed("it has no statusCode")
    is_rest = routed.api.kind is Kind.REST
    unknown = sorted(map(str, value.keys() - _KEYS))
    if is_rest and unknown:
        raise Malformed(f"it has {', '.join(unknown)}, which a REST API does not know")
    status, headers = _head(value)
    body = _answer_body(value)
    if value.get("isBase64Encoded") and (not is_rest or matches(call.header("accept"), routed.api.binary_types)):
        try:
            return UrlAnswer(status, base64.b64decode(body, validate=True), headers)
        except ValueError as error:
            raise Malformed(f"body is not base64: {error}") from error
    return UrlAnswer(status, body, headers)


def _head(value: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers; one that has several values takes the place of the single one of its name."""
    many = value.get("multiValueHeaders") or {}
    if not isinstance(many, dict) or not all(isinstance(items, list) for items in many.values()):
        raise Malformed("multiValueHeaders must be an object of lists")
    replaced = {name.lower() for name in many}
    single = value.get("headers") or {}
    if not isinstance(single, dict):
        raise Malformed("headers must be an object")
    kept = {name: item for name, item in single.items() if name.lower() not in replaced}
    status, headers = read_head({"statusCode": value["statusCode"], "headers": kept})
    if "content-type" in replaced:  # else it was added, or is the function's own
        headers = [pair for pair in headers if pair[0].lower() != "content-type"]
    for name, items in many.items():
        for item in items:
            headers += [pair for pair in read_head({"headers": {name: item}})[1] if pair[0] == name]
    return status, headers


def _answer_body(value: dict[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise Malformed(f"body is {type(body).__name__}, not text: write it as JSON")
    return body.encode(errors="replace")
