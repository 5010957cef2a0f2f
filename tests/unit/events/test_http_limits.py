"""Token buckets, stages, cross-origin rules, and definitions read from AWS's own shapes, without a clock or socket."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DeploymentError
from workbench.events.http import cors
from workbench.events.http.apis import Api, Call, Integration, Kind, Limit, Stage
from workbench.events.http.definitions import function_of, http_api, rest_api
from workbench.events.http.library_api import LibraryApi
from workbench.events.http.routes import Route, Routes
from workbench.events.http.throttle import Bucket, Throttle

ARN = "arn:aws:lambda:us-east-1:000000000000:function:echo"
BY_PATH = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(Limit(rate=2, burst=3), 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.5), bucket.take(0.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_a_limit_that_is_changed_begins_a_new_bucket() -> None:
    throttle = Throttle()
    assert [throttle.take("a", Limit(1, 1), 0.0), throttle.take("a", Limit(1, 1), 0.0)] == [True, False]
    assert throttle.take("b", Limit(1, 1), 0.0)
    assert throttle.take("a", Limit(1, 2), 0.0)


@settings(deadline=None, max_examples=100)
@given(
    st.floats(0, 50),
    st.integers(0, 20),
    st.lists(st.floats(0, 1), max_size=60),
)
def test_no_more_pass_than_the_burst_and_what_came_back(rate: float, burst: int, gaps: list[float]) -> None:
    bucket, now, passed = Bucket(Limit(rate, burst), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        passed += bucket.take(now)
    assert passed <= burst + rate * now + 1e-6


def api(*stages: Stage, kind: Kind = Kind.HTTP) -> Api:
    named = {stage.name: stage for stage in stages}
    return Api("a", kind, "arn", "0", Routes([Route("$default")]), {"": Integration("f")}, named)


def test_a_named_stage_is_the_first_of_the_path_and_the_default_takes_the_rest() -> None:
    both = api(Stage(), Stage("prod"))
    found = [both.stage_of(path) for path in ("/prod/x/y", "/prod", "/x", "/")]
    assert [(s.name, rest) for s, rest in (place for place in found if place)] == [
        ("prod", "/x/y"),
        ("prod", "/"),
        ("$default", "/x"),
        ("$default", "/"),
    ]
    assert api(Stage("prod")).stage_of("/x") is None
    assert api(Stage("prod")).stage_of("/$default/x") is None
    default = api(Stage()).stage_of("/$default/x")  # its name is no part of a path
    assert default is not None
    assert default[1] == "/$default/x"


def test_a_stages_variables_name_the_function() -> None:
    stage = Stage(variables={"which": "blue"})
    assert stage.filled(Integration("fn-${stageVariables.which}:live")).function == "fn-blue:live"
    assert stage.filled(Integration("plain")).function == "plain"


# ---- cross-origin ----------------------------------------------------------------------------------------------------


def asked(origin: str, method: str = "OPTIONS", *headers: tuple[str, str]) -> Call:
    return Call(method, "/", (("origin", origin), *headers), b"", 1, "id", 0.0)


@pytest.mark.parametrize(
    ("origins", "origin", "expected"),
    [
        (["*"], "https://a.example", "*"),
        (["https://a.example"], "https://a.example", "https://a.example"),
        (["https://a.example"], "https://b.example", None),
        (["https://*"], "https://b.example", "https://b.example"),
        (["https://*"], "http://b.example", None),
    ],
)
def test_origins_that_may_read_the_answer(origins: list[str], origin: str, expected: str | None) -> None:
    headers = dict(cors.allowed({"AllowOrigins": origins}, asked(origin), preflight=False))
    assert headers.get("Access-Control-Allow-Origin") == expected


def test_a_preflight_names_origin_and_method_in_any_spelling() -> None:
    assert cors.is_preflight(asked("x", "OPTIONS", ("access-control-request-method", "GET")))
    assert cors.is_preflight(
        Call("OPTIONS", "/", (("ORIGIN", "x"), ("Access-Control-Request-METHOD", "GET")), b"", 1, "", 0)
    )
    assert not cors.is_preflight(asked("x"))
    assert not cors.is_preflight(asked("x", "GET", ("access-control-request-method", "GET")))


# ---- definitions -----------------------------------------------------------------------------------------------------


def test_functions_are_named_by_their_arn_or_by_a_path() -> None:
    assert function_of(ARN) == (ARN, False)
    assert function_of(f"{ARN}:live") == (f"{ARN}:live", False)
    assert function_of(BY_PATH) == (ARN, False)
    streamed = f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{ARN}/response-streaming-invocations"
    assert function_of(streamed) == (ARN, True)
    assert function_of("https://example.com") is None
    assert function_of("arn:aws:apigateway:us-east-1:sqs:action/SendMessage") is None


def http(route: dict[str, Any], integration: dict[str, Any], stage: dict[str, Any]) -> Api:
    return http_api(
        {"ApiId": "a", "ProtocolType": "HTTP", "Name": "n"},
        [{"RouteKey": "GET /x", "RouteId": "r", "Target": "integrations/i", **route}],
        [{"IntegrationId": "i", "IntegrationType": "AWS_PROXY", "IntegrationUri": ARN, **integration}],
        [{"StageName": "$default", **stage}],
        "us-east-1",
    )


def test_an_http_api_as_it_is_described() -> None:
    limits = {"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 7}
    found = http(
        {},
        {"PayloadFormatVersion": "2.0", "TimeoutInMillis": 1500},
        {"DefaultRouteSettings": limits, "RouteSettings": {"GET /x": {"ThrottlingRateLimit": 1.0}}},
    )
    assert found.integrations == {"GET /x": Integration(ARN, "2.0", 1.5)}
    assert found.arn == "arn:aws:execute-api:us-east-1:000000000000:a"
    stage = found.stages["$default"]
    assert stage.limit_of("GET /x") == ("GET /x", Limit(1.0, 7))
    assert stage.limit_of("GET /y") == ("", Limit(5.0, 7))


def test_what_is_not_said_is_awss_default() -> None:
    found = http({}, {}, {})
    assert found.integrations["GET /x"] == Integration(ARN, "1.0", 30.0)
    assert found.stages["$default"].limit == Limit(10_000, 5_000)


def test_what_cannot_be_checked_or_called_is_not_open() -> None:
    for route in ({"AuthorizationType": "JWT"}, {"AuthorizationType": "AWS_IAM"}, {"ApiKeyRequired": True}):
        assert http(route, {}, {}).integrations["GET /x"].refused
    assert http({}, {"IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://x.example"}, {}).integrations == {}
    assert http({"Target": ""}, {}, {}).integrations == {}


def test_a_rest_api_as_it_is_described() -> None:
    method = {"authorizationType": "NONE", "methodIntegration": {"type": "AWS_PROXY", "uri": BY_PATH}}
    found = rest_api(
        {"id": "a", "name": "n", "binaryMediaTypes": ["image/*"]},
        [{"id": "root", "path": "/"}, {"id": "r", "path": "/x/{id}", "resourceMethods": {"GET": method}}],
        [
            {
                "stageName": "prod",
                "variables": {"a": "b"},
                "methodSettings": {
                    "*/*": {"throttlingRateLimit": 5.0, "throttlingBurstLimit": -1},
                    "~1x~1{id}/GET": {"throttlingRateLimit": 1.0, "throttlingBurstLimit": 2},
                },
            }
        ],
        "us-east-1",
    )
    assert found.integrations == {"GET /x/{id}": Integration(ARN, "1.0", 29.0)}
    assert (found.binary_types, found.stages["prod"].variables) == (("image/*",), {"a": "b"})
    assert found.stages["prod"].limit_of("GET /x/{id}") == ("GET /x/{id}", Limit(1.0, 2))
    assert found.stages["prod"].limit == Limit(5.0, 5_000)
    match = found.match("GET", "/x/1")
    assert match is not None
    assert match.route.id == "r"


# ---- what a notebook asks for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"version": "3.0"}, "payload format"),
        ({"routes": "GET /x"}, "is a list"),
        ({"routes": ["/x"]}, "no route"),
        ({"timeout_s": 31}, "30 s"),
        ({"version": "1.0", "timeout_s": 29.5}, "29 s"),
        ({"timeout_s": 0.01}, "0.05"),
        ({"version": "1.0", "routes": ["$default"]}, "has no"),
        ({"version": "1.0", "cors": {}}, "OPTIONS"),
        ({"stream": True}, "when it is whole"),
        ({"rate": -1.0}, "cannot be"),
    ],
)
def test_what_aws_would_refuse_is_refused(wanted: dict[str, Any], says: str) -> None:
    with pytest.raises(DeploymentError, match=says):
        LibraryApi(**wanted).api()


def test_without_routes_all_requests_are_taken() -> None:
    for version, path in (("2.0", "/a/b"), ("2.0", "/"), ("1.0", "/a/b"), ("1.0", "/")):
        assert LibraryApi(version).api().match("PATCH", path) is not None
