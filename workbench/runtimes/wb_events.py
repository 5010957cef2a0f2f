"""HTTP to and from a handler, as API Gateway's HTTP API does it (payload format version 2.0)."""

from __future__ import annotations

import base64
import os
import re
import time
from urllib.parse import parse_qsl, unquote

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TEXT = re.compile(r"text/|application/(.*\+)?(json|xml|javascript)\b")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def event(request: Any) -> dict[str, Any]:
    """The event that API Gateway would make of a request of `wb_http`."""
    headers = {name: ",".join(values) for name, values in request.headers.items()}
    cookies = [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()]
    path = unquote(request.path)
    now = time.time()
    body, encoded = _body(request.body, headers.get("content-type", ""))
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": headers.get("host", "localhost").partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.peer,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": os.urandom(16).hex(),
            "routeKey": "$default",
            "stage": "$default",
            "time": _clf_time(now),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": encoded,
    }
    if cookies:
        made["cookies"] = cookies
    if request.query:
        made["queryStringParameters"] = _query(request.query)
    if body:
        made["body"] = body
    return made


def response(result: Any, dumps: Callable[[Any], bytes]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of a handler's result; raises TypeError or ValueError where it is malformed.

    A dictionary with `statusCode` is the whole response, anything else is a body of application/json.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result.encode() if isinstance(result, str) else dumps(result)
        return 200, [("Content-Type", "application/json")], body
    status = int(result["statusCode"])
    if not 200 <= status <= 599:
        raise ValueError(f"statusCode {status} is not from 200 to 599")
    text = result.get("body") or ""
    if not isinstance(text, str):
        raise TypeError(f"the body of a response is a string, not {type(text).__name__}; use json.dumps")
    body = base64.b64decode(text, validate=True) if result.get("isBase64Encoded") else text.encode()
    given, cookies = result.get("headers") or {}, result.get("cookies") or []
    if not isinstance(given, dict) or not isinstance(cookies, list | tuple):
        raise TypeError("the headers of a response are a dictionary, its cookies a list")
    headers = [_header(name, value) for name, value in given.items()]
    headers += [_header("Set-Cookie", cookie) for cookie in cookies]
    headers = [h for h in headers if h[0].lower() not in ("content-length", "transfer-encoding", "connection")]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "text/plain;charset=UTF-8"))
    return status, headers, body


def _body(raw: bytes, content_type: str) -> tuple[str, bool]:
    if not content_type or _TEXT.match(content_type.lower()):
        try:
            return raw.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(raw).decode(), True


def _query(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _header(name: Any, value: Any) -> tuple[str, str]:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    if any(character in text for character in "\r\n\0"):
        raise ValueError(f"the value of header {name} has a line break")
    text.encode("latin-1")
    return name, text


def _clf_time(now: float) -> str:
    # Not strftime: %b follows a locale that the service may have set.
    t = time.gmtime(now)
    return f"{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"
