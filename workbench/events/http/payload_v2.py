"""Payload format 2.0: a request to an HTTP API as the function's event; the answer is read as a function URL's is.

API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs". Function URLs use the same format, so
what is the same is theirs (`faas.urls.url_events`); an API adds its route, path variables and stage.
"""

from __future__ import annotations

from typing import Any

from workbench.events.http.apis import Call, Routed
from workbench.faas.urls import url_events
from workbench.faas.urls.url_events import UrlAnswer, UrlRequest


def event(call: Call, routed: Routed) -> dict[str, Any]:
    """The event that the function gets."""
    api, route = routed.api, routed.match.route
    made = url_events.event(
        UrlRequest(
            call.method,
            call.target,
            call.headers,
            call.body,
            source_ip=call.source_ip,
            port=call.port,
            url_id=api.id,
            request_id=call.request_id,
            now_s=call.now_s,
            account=api.account,
        )
    )
    made["routeKey"] = route.key
    made["requestContext"].update(accountId=api.account, routeKey=route.key, stage=routed.stage.name)
    if routed.match.parameters:
        made["pathParameters"] = dict(routed.match.parameters)
    if routed.stage.variables:
        made["stageVariables"] = dict(routed.stage.variables)
    return made


def answer(payload: bytes) -> UrlAnswer:
    """What the function returned, as a response; raises Malformed."""
    return url_events.answer(payload)
