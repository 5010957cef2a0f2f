"""Requests to a function URL as events, and what functions answer as responses: payload format 2.0.

After AWS's Lambda developer guide, "Invoking Lambda function URLs" (shapes, how an answer without statusCode is read,
cookies) and "Control access" (CORS). A body is text where its type says so and it is UTF-8, else base64, forms too.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

MAX_PAYLOAD = 6 * 2**20
"""Largest event and largest buffered answer in bytes (Lambda quotas)."""

PRELUDE_TYPE = "application/vnd.awslambda.http-integration-response"
"""Content type of a streamed answer that begins with its status and headers as JSON."""

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True)
class UrlRequest:
    """One HTTP request to a function URL; `target` is its still encoded path with query, `url_id` the URL's own name.

    `caller` is the access key that signed it, empty where nobody did; `headers` as they came.
    """

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    source_ip: str
    port: int
    url_id: str
    request_id: str
    now_s: float
    account: str
    caller: str = ""


@dataclass(frozen=True, slots=True)
class UrlAnswer:
    """An HTTP response; `headers` are pairs because cookies may be several."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


class Malformed(Exception):
    """The function's answer is no HTTP response; the text says why."""


def event(request: UrlRequest) -> dict[str, Any]:
    """The event that the function gets."""
    path, _, query = request.target.partition("?")
    headers, cookies = _headers(request)
    text, is_base64 = _body(request.body, headers.get("content-type", ""))
    now = datetime.fromtimestamp(request.now_s, UTC)
    domain = headers.get("host", "")
    context: dict[str, Any] = {
        "accountId": request.account if request.caller else "anonymous",
        "apiId": request.url_id,
        "domainName": domain,
        "domainPrefix": request.url_id,
        "http": {
            "method": request.method,
            "path": unquote(path),
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": round(request.now_s * 1000),
    }
    if request.caller:
        context["authorizer"] = {"iam": _iam(request)}
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": is_base64,
    }
    if cookies:
        made["cookies"] = cookies
    if query:
        made["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if request.body:
        made["body"] = text
    return made


def _headers(request: UrlRequest) -> tuple[dict[str, str], list[str]]:
    """Headers by their names in lower case, and apart from them the cookies."""
    pairs = [(name.lower(), value) for name, value in request.headers]
    cookies = [part.strip() for name, value in pairs if name == "cookie" for part in value.split(";") if part.strip()]
    ours = {
        "x-forwarded-for": request.source_ip,
        "x-forwarded-port": str(request.port),
        "x-forwarded-proto": "http",
        "x-amzn-trace-id": f"Root=1-{int(request.now_s):08x}-{request.request_id.replace('-', '')[:24]}",
    }
    return {**_joined((n, v) for n, v in pairs if n != "cookie" and n not in ours), **ours}, cookies


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        return "", False
    if kind.startswith("text/") or kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _iam(request: UrlRequest) -> dict[str, Any]:
    root = f"arn:aws:iam::{request.account}:root"
    return {
        "accessKey": request.caller,
        "accountId": request.account,
        "callerId": request.account,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": root,
        "userId": request.account,
    }


# ---- answers ---------------------------------------------------------------------------------------------------------


def answer(payload: bytes) -> UrlAnswer:
    """What the function returned, as a response; raises Malformed."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Malformed("it is not JSON") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        body = value.encode(errors="replace") if isinstance(value, str) else payload
        return UrlAnswer(200, body, [("content-type", "application/json")])
    status, headers = head(value)
    return UrlAnswer(status, _answer_body(value), headers)


def head(value: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers with cookies of an answer, also of a streamed one's prelude; raises Malformed."""
    status = value.get("statusCode", 200)
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise Malformed(f"statusCode is {status!r}, not a number from 200 to 599")
    given, cookies = value.get("headers") or {}, value.get("cookies") or []
    if not isinstance(given, dict) or not isinstance(cookies, list):
        raise Malformed("headers must be an object and cookies a list")
    headers = [(name, _header_value(item)) for name, item in given.items()]
    headers += [("set-cookie", _header_value(cookie)) for cookie in cookies]
    if any(not name or set(name) - _TOKEN for name, _ in headers):
        raise Malformed("a header has no valid name")
    if all(name.lower() != "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return status, [(name, item) for name, item in headers if name.lower() not in _OURS]


def _header_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or any(c in str(value) for c in "\r\n\0"):
        raise Malformed(f"a header or cookie is {value!r}, not text on one line")
    return str(value)


def _answer_body(value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if isinstance(body, dict):
        return json.dumps(body).encode()
    if not isinstance(body, str):
        raise Malformed(f"body is {type(body).__name__}, not text")
    if not value.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"body is not base64: {error}") from error


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OURS = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"})
