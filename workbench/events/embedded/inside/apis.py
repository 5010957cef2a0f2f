"""API Gateway: what moto leaves out of CreateApi (quick create) and CreateRestApi (binary media types).

API Gateway V2 API reference, "CreateApi": with a target the API gets an integration, a route that takes everything
unless another is named, and a `$default` stage. `events.http` serves what is defined here.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from moto.apigateway.responses import APIGatewayResponse
from moto.apigatewayv2.responses import ApiGatewayV2Response

from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace

_QUICK_ROUTE = "$default"


def install(_: Outbox | None = None) -> None:
    """From now on APIs have what they were made with."""

    def create_api(self: Any) -> Any:
        answer = made_api(self)
        wanted = json.loads(self.body)
        if wanted.get("target"):
            _quick_create(self.apigatewayv2_backend, json.loads(answer[2])["apiId"], wanted)
        return answer

    def create_rest_api(self: Any) -> Any:
        answer = made_rest_api(self)
        types = self._get_param("binaryMediaTypes")
        if answer[0] >= 400 or not types:
            return answer
        api = self.backend.get_rest_api(json.loads(answer[2])["id"])
        api.binaryMediaTypes = list(types)
        return answer[0], answer[1], json.dumps(api.to_dict())

    made_api = replace(ApiGatewayV2Response, "create_api", create_api)
    made_rest_api = replace(APIGatewayResponse, "create_rest_api", create_rest_api)


def _quick_create(backend: Any, api_id: str, wanted: dict[str, Any]) -> None:
    target = wanted["target"]
    is_function = target.startswith("arn:")
    integration = _call(
        backend.create_integration,
        api_id=api_id,
        integration_type="AWS_PROXY" if is_function else "HTTP_PROXY",
        integration_uri=target,
        integration_method="POST" if is_function else "ANY",
        payload_format_version="2.0" if is_function else "1.0",
        credentials_arn=wanted.get("credentialsArn"),
    )
    key = wanted.get("routeKey") or _QUICK_ROUTE
    _call(backend.create_route, api_id=api_id, route_key=key, target=f"integrations/{integration.id}")
    backend.create_stage(api_id, {"stageName": "$default", "autoDeploy": True})


def _call(operation: Any, **given: Any) -> Any:
    """An operation of moto's, which wants to be told of everything that there is not."""
    return operation(**{**dict.fromkeys(inspect.signature(operation).parameters), **given})
