"""Cross-origin rules of a function URL, which the platform keeps for the function.

After the AWS Lambda developer guide, "Cross-origin resource sharing (CORS)" of function URLs, and the Fetch standard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Pairs = list[tuple[str, str]]

_PREFIX = "access-control-"


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser asks what it may send."""
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def answer_headers(cors: Mapping[str, Any], origin: str, *, preflight: bool) -> Pairs:
    """What tells the browser that `origin` may read the answer; nothing when it may not."""
    origins = cors.get("AllowOrigins", [])
    if not origin or ("*" not in origins and origin not in origins):
        return []
    credentials = bool(cors.get("AllowCredentials"))
    # Browsers take no star together with credentials.
    headers = [("Access-Control-Allow-Origin", "*" if "*" in origins and not credentials else origin)]
    headers += [("Access-Control-Allow-Credentials", "true")] if credentials else []
    if headers[0][1] != "*":
        headers.append(("Vary", "Origin"))
    if preflight:
        lists = {"Allow-Methods": "AllowMethods", "Allow-Headers": "AllowHeaders"}
        headers += [(f"Access-Control-{name}", ",".join(cors[key])) for name, key in lists.items() if cors.get(key)]
        if cors.get("MaxAge") is not None:
            headers.append(("Access-Control-Max-Age", str(cors["MaxAge"])))
    elif cors.get("ExposeHeaders"):
        headers.append(("Access-Control-Expose-Headers", ",".join(cors["ExposeHeaders"])))
    return headers


def without_own(headers: Pairs) -> Pairs:
    """A function's headers without those that the URL's configuration decides."""
    return [(name, value) for name, value in headers if not name.lower().startswith(_PREFIX)]
