"""Cross-origin rules of an HTTP API, which the gateway keeps for its functions; a function URL's are nearly the same.

API Gateway developer guide, "Configure CORS for HTTP APIs": with a configuration the gateway answers what browsers ask
first, even where no route is, and what functions say about it is left out. A REST API leaves all that to its functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.events.http.apis import Call
from workbench.faas.urls import url_cors
from workbench.faas.urls.url_cors import Pairs, without_own

__all__ = ["Pairs", "allowed", "is_preflight", "without_own"]


def is_preflight(call: Call) -> bool:
    """Whether a browser asks what it may send."""
    return url_cors.is_preflight(call.method, {name.title(): value for name, value in call.headers})


def allowed(cors: Mapping[str, Any], call: Call, *, preflight: bool) -> Pairs:
    """What tells the browser that the caller's origin may read the answer; nothing when it may not."""
    origin = call.header("origin")
    origins = cors.get("AllowOrigins") or []
    # "https://*" stands for every origin of that scheme.
    if any(item.endswith("://*") and origin.startswith(item[:-1]) for item in origins):
        cors = {**cors, "AllowOrigins": [origin]}
    if preflight and "*" in (cors.get("AllowMethods") or []) and cors.get("AllowCredentials"):
        cors = {**cors, "AllowMethods": [call.header("access-control-request-method")]}  # no star with credentials
    return url_cors.answer_headers(cors, origin, preflight=preflight)
