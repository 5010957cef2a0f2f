"""An API as `apigatewayv2` (HTTP APIs) and `apigateway` (REST APIs) describe it, read into `Api`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from workbench.events.http.apis import Api, Integration, Kind, Limit, Stage
from workbench.events.http.routes import Route, Routes
from workbench.faas.functions.function import ACCOUNT

Shape = Mapping[str, Any]

_PATH_FORM = re.compile(r"arn:[\w-]+:apigateway:[\w-]+:lambda:path/[\d-]+/functions/(.+)/([a-z-]+)")
_STREAMED = "response-streaming-invocations"
_OPEN = (None, "", "NONE")


def function_of(uri: str) -> tuple[str, bool] | None:
    """The function that an integration's URI names, and whether its answer is streamed; None where it names none."""
    found = _PATH_FORM.fullmatch(uri)
    if found is not None:
        return found[1], found[2] == _STREAMED
    return (uri, False) if re.match(r"arn:[\w-]+:lambda:", uri) else None


def http_api(
    api: Shape, routes: Iterable[Shape], integrations: Iterable[Shape], stages: Iterable[Shape], region: str
) -> Api:
    """An HTTP API from the answers to GetApi, GetRoutes, GetIntegrations and GetStages."""
    made: dict[str, Integration] = {}
    known = {f"integrations/{one['IntegrationId']}": one for one in integrations}
    table = []
    for route in routes:
        refused = _refused(route.get("AuthorizationType"), route.get("ApiKeyRequired"))
        target = str(route.get("Target", ""))
        table.append(Route(route["RouteKey"], route["RouteKey"], str(route.get("RouteId", ""))))
        integration = _of_http(known.get(target, {}), refused)
        if integration is not None:
            made[route["RouteKey"]] = integration
    return Api(
        api["ApiId"],
        Kind.HTTP,
        _arn(region, api["ApiId"]),
        ACCOUNT,
        Routes(table),
        made,
        {one["StageName"]: _stage_of_http(one) for one in stages},
        api.get("CorsConfiguration") or None,
        name=str(api.get("Name", "")),
    )


def _of_http(integration: Shape, refused: str) -> Integration | None:
    function = function_of(str(integration.get("IntegrationUri") or ""))
    if function is None or integration.get("IntegrationType") != "AWS_PROXY":
        return None
    timeout_s = (integration.get("TimeoutInMillis") or 30_000) / 1000
    payload = str(integration.get("PayloadFormatVersion") or "1.0")
    return Integration(function[0], payload, timeout_s, refused=refused)


def _stage_of_http(stage: Shape) -> Stage:
    default = _limit(stage.get("DefaultRouteSettings") or {}, Limit(), "Throttling")
    by_route = stage.get("RouteSettings") or {}
    return Stage(
        stage["StageName"],
        dict(stage.get("StageVariables") or {}),
        default,
        {key: _limit(settings, default, "Throttling") for key, settings in by_route.items() if _limits(settings)},
    )


def rest_api(api: Shape, resources: Iterable[Shape], stages: Iterable[Shape], region: str) -> Api:
    """A REST API from the answers to GetRestApi, GetResources (with methods) and GetStages."""
    table, made = [], {}
    for resource in resources:
        for method, told in (resource.get("resourceMethods") or {}).items():
            key = f"{method} {resource['path']}"
            table.append(Route(key, key, str(resource["id"])))
            integration = _of_rest(told or {})
            if integration is not None:
                made[key] = integration
    return Api(
        api["id"],
        Kind.REST,
        _arn(region, api["id"]),
        ACCOUNT,
        Routes(table),
        made,
        {one["stageName"]: _stage_of_rest(one) for one in stages},
        binary_types=tuple(api.get("binaryMediaTypes") or ()),
        name=str(api.get("name", "")),
    )


def _of_rest(method: Shape) -> Integration | None:
    integration = method.get("methodIntegration") or {}
    function = function_of(str(integration.get("uri") or ""))
    if function is None or integration.get("type") != "AWS_PROXY":
        return None
    refused = _refused(method.get("authorizationType"), method.get("apiKeyRequired"))
    timeout_s = float(integration.get("timeoutInMillis") or 29_000) / 1000
    return Integration(function[0], "1.0", timeout_s, function[1], refused)


def _stage_of_rest(stage: Shape) -> Stage:
    settings = stage.get("methodSettings") or {}
    default = _limit(settings.get("*/*") or {}, Limit(), "throttling")
    by_route = {_route_key(key): _limit(one, default, "throttling") for key, one in settings.items() if _limits(one)}
    return Stage(stage["stageName"], dict(stage.get("variables") or {}), default, by_route)


def _route_key(setting: str) -> str:
    """`~1pets~1{id}/GET`, as a stage's settings name a method, as a route is written."""
    path, _, method = setting.rpartition("/")
    return f"{method} {path.replace('~1', '/').replace('~0', '~')}"


def _limits(settings: Shape) -> bool:
    return any("hrottling" in name and value is not None for name, value in settings.items())


def _limit(settings: Shape, default: Limit, prefix: str) -> Limit:
    """AWS says -1 for no limit of its own."""
    rate, burst = settings.get(f"{prefix}RateLimit"), settings.get(f"{prefix}BurstLimit")
    return Limit(
        default.rate if rate is None or float(rate) < 0 else float(rate),
        default.burst if burst is None or int(burst) < 0 else int(burst),
    )


def _refused(authorization: str | None, needs_key: Any) -> str:
    """Why a route lets nobody in here: what cannot be checked must not be open."""
    if authorization not in _OPEN:
        return f"authorization {authorization} is not supported here, so nobody is let in; use NONE"
    return "API keys are not supported here, so nobody is let in; leave them out" if needs_key else ""


def _arn(region: str, api_id: str) -> str:
    return f"arn:aws:execute-api:{region}:{ACCOUNT}:{api_id}"
