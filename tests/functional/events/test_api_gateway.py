"""APIs made with ordinary boto3 calls at the AWS endpoint, served by the platform, asked with plain HTTP."""

from __future__ import annotations

import base64
import http.client
import io
import json
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, eventually, zipped
from tests.needs import needs
from workbench.events.embedded.inside import apis

ECHO = """
import json, time

def handler(event, context):
    if (event.get("pathParameters") or {}).get("how") == "raise":
        raise ValueError("as asked")
    if (event.get("pathParameters") or {}).get("how") == "slow":
        time.sleep(20)
    if (event.get("pathParameters") or {}).get("how") == "malformed":
        return {"statusCode": "no number", "body": ""}
    return {"statusCode": 200, "headers": {"X-Own": "yes"}, "body": json.dumps(event)}
"""

STREAM = """
const fs = require("node:fs");
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const { gate, fail } = event.queryStringParameters;
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "X-Own": "yes" } });
  stream.write("first ");
  while (!fs.existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
  if (fail) throw new Error("as asked");
  stream.end("second");
});
"""


class Reply(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class World:
    """A platform beside AWS's services, one function that answers with its event, and who asks."""

    def __init__(self, aws: Aws, platform: Platform) -> None:
        self.platform = platform
        self.http, self.rest = aws.client("apigatewayv2"), aws.client("apigateway")
        self.arn: str = platform.client.create_function(
            FunctionName="echo",
            Runtime="python3.11",
            Handler="app.handler",
            Role="arn:aws:iam::000000000000:role/test",
            Code={"ZipFile": zipped(app=ECHO)},
            Timeout=25,
        )["FunctionArn"]
        self.url = platform.ask("GET", "gateway")["url"]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path, body or None, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return Reply(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def http_api(self, *routes: str, stage: str = "$default", **settings: Any) -> str:
        """An HTTP API whose routes all lead to the function; settings of the integration, of the API and the stage."""
        of_api = {key: settings.pop(key) for key in ("CorsConfiguration",) if key in settings}
        of_stage = {key: settings.pop(key) for key in ("StageVariables", "RouteSettings") if key in settings}
        api: str = self.http.create_api(Name="an api", ProtocolType="HTTP", **of_api)["ApiId"]
        integration = self.http.create_integration(
            ApiId=api,
            IntegrationType="AWS_PROXY",
            **{"PayloadFormatVersion": "2.0", "IntegrationUri": self.arn, **settings},
        )["IntegrationId"]
        for route in routes:
            self.http.create_route(ApiId=api, RouteKey=route, Target=f"integrations/{integration}")
        self.http.create_stage(ApiId=api, StageName=stage, AutoDeploy=True, **of_stage)
        return api

    def rest_api(self, *routes: str, uri: str = "", stage: str = "prod", **settings: Any) -> str:
        """A REST API, likewise; settings are of its integrations, but for the first two."""
        variables, binary = settings.pop("variables", {}), settings.pop("binaryMediaTypes", [])
        api: str = self.rest.create_rest_api(name="a rest api", binaryMediaTypes=binary)["id"]
        at = {"/": self.rest.get_resources(restApiId=api)["items"][0]["id"]}
        invoke = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{self.arn}/invocations"
        for route in routes:
            method, _, path = route.partition(" ")
            parent = "/"
            for part in path.strip("/").split("/") if path != "/" else ():
                here = f"{parent.rstrip('/')}/{part}"
                if here not in at:
                    made = self.rest.create_resource(restApiId=api, parentId=at[parent], pathPart=part)
                    at[here] = made["id"]
                parent = here
            where = {"restApiId": api, "resourceId": at[parent], "httpMethod": method}
            self.rest.put_method(**where, authorizationType=settings.get("authorization", "NONE"))
            more = {key: value for key, value in settings.items() if key != "authorization"}
            self.rest.put_integration(
                **where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri or invoke, **more
            )
        self.rest.create_deployment(restApiId=api, stageName=stage, variables=variables)
        return api


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    apis.install()  # what moto leaves out
    with Aws() as aws, Platform("--aws-endpoint", aws.endpoint) as platform:
        yield World(aws, platform)


def test_a_route_of_an_http_api_invokes_its_function_with_payload_2(world: World) -> None:
    api = world.http_api("GET /prices/{sku}", "ANY /{proxy+}", StageVariables={"colour": "red"})
    found = world.ask("GET", f"/{api}/prices/A%201?q=1&q=2", X_Mine="here", Cookie="a=1; b=2")
    assert (found.status, found.header("X-Own")) == (200, "yes")
    event = found.json
    assert (event["version"], event["routeKey"], event["rawPath"]) == ("2.0", "GET /prices/{sku}", "/prices/A%201")
    assert event["pathParameters"] == {"sku": "A 1"}
    assert event["queryStringParameters"] == {"q": "1,2"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["stageVariables"] == {"colour": "red"}
    assert event["requestContext"]["apiId"] == api
    assert event["requestContext"]["requestId"] == found.header("apigw-requestid")
    assert world.ask("POST", f"/{api}/prices/A1").json["routeKey"] == "ANY /{proxy+}"


def test_an_api_is_created_quickly(world: World) -> None:
    made = world.http.create_api(Name="quick", ProtocolType="HTTP", Target=world.arn)
    found = world.ask("GET", f"/{made['ApiId']}/any/thing")
    assert (found.json["version"], found.json["routeKey"]) == ("2.0", "$default")
    made = world.http.create_api(Name="quick", ProtocolType="HTTP", Target=world.arn, RouteKey="GET /only")
    assert world.ask("GET", f"/{made['ApiId']}/only").json["routeKey"] == "GET /only"
    assert world.ask("GET", f"/{made['ApiId']}/other").status == 404


def test_a_named_stage_is_part_of_the_path(world: World) -> None:
    api = world.http_api("GET /x", stage="test")
    event = world.ask("GET", f"/{api}/test/x").json
    assert (event["rawPath"], event["requestContext"]["stage"]) == ("/test/x", "test")
    missing = world.ask("GET", f"/{api}/x")
    assert (missing.status, missing.json) == (404, {"message": "Not Found"})


def test_what_is_nowhere_is_not_found(world: World) -> None:
    api = world.http_api("GET /x")
    for path in (f"/{api}/y", f"/{api}", "/nosuchapi/x", "/", "/%00/x"):
        found = world.ask("GET", path)
        assert (found.status, found.json) == (404, {"message": "Not Found"}), path


def test_the_gateway_says_what_it_serves(world: World) -> None:
    http_id, rest_id = world.http_api("GET /x"), world.rest_api("GET /x")
    apis = {api["id"]: api for api in world.platform.ask("GET", "gateway")["apis"]}
    assert apis[http_id] == {"id": http_id, "kind": "HTTP", "name": "an api", "url": f"{world.url}/{http_id}"}
    assert apis[rest_id]["kind"] == "REST"


def test_a_route_that_is_made_later_is_served(world: World) -> None:
    api = world.http_api("GET /x")
    assert world.ask("GET", f"/{api}/later").status == 404
    target = world.http.get_routes(ApiId=api)["Items"][0]["Target"]
    world.http.create_route(ApiId=api, RouteKey="GET /later", Target=target)
    eventually(lambda: world.ask("GET", f"/{api}/later").status == 200)
    world.http.delete_api(ApiId=api)
    eventually(lambda: world.ask("GET", f"/{api}/later").status == 404)


def test_an_http_api_keeps_the_cross_origin_rules(world: World) -> None:
    cors = {"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-mine"], "MaxAge": 60}
    api = world.http_api("GET /x", CorsConfiguration=cors)
    asked = world.ask("OPTIONS", f"/{api}/x", Origin="https://shop.example", Access_Control_Request_Method="GET")
    assert (asked.status, asked.body) == (204, b"")
    assert asked.header("Access-Control-Allow-Origin") == "https://shop.example"
    assert asked.header("Access-Control-Allow-Methods") == "GET"
    assert world.ask("GET", f"/{api}/x", Origin="https://shop.example").header("Access-Control-Allow-Origin")
    assert world.ask("GET", f"/{api}/x", Origin="https://else.example").header("Access-Control-Allow-Origin") is None


def test_an_http_api_that_is_asked_for_more_than_its_rate_says_so(world: World) -> None:
    settings = {"GET /x": {"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 2}}
    api = world.http_api("GET /x", "GET /y", RouteSettings=settings)
    assert [world.ask("GET", f"/{api}/x").status for _ in range(3)] == [200, 200, 429]
    assert world.ask("GET", f"/{api}/x").json == {"message": "Too Many Requests"}
    assert world.ask("GET", f"/{api}/y").status == 200


@pytest.mark.parametrize(("how", "status"), [("raise", 500), ("malformed", 500)])
def test_a_function_that_fails_an_http_api(world: World, how: str, status: int) -> None:
    api = world.http_api("GET /{how}")
    found = world.ask("GET", f"/{api}/{how}")
    assert (found.status, found.json) == (status, {"message": "Internal Server Error"})


def test_a_function_that_takes_longer_than_its_integration_may(world: World) -> None:
    http_api = world.http_api("GET /{how}", TimeoutInMillis=100)
    found = world.ask("GET", f"/{http_api}/slow")
    assert (found.status, found.json) == (503, {"message": "Service Unavailable"})
    rest_api = world.rest_api("GET /{how}", timeoutInMillis=100)
    found = world.ask("GET", f"/{rest_api}/prod/slow")
    assert (found.status, found.json) == (504, {"message": "Endpoint request timed out"})
    for instance in world.platform.instances("echo"):  # they would sleep on, as on AWS
        world.platform.raw("DELETE", f"/_workbench/functions/echo/instances/{instance['instance_id']}")


def test_a_method_of_a_rest_api_invokes_its_function_with_payload_1(world: World) -> None:
    api = world.rest_api("GET /prices/{sku}", "ANY /files/{proxy+}", variables={"colour": "red"})
    found = world.ask("GET", f"/{api}/prod/prices/A%201?q=1&q=2&r=", X_Mine="here")
    assert (found.status, found.header("X-Own")) == (200, "yes")
    event = found.json
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/prices/{sku}", "/prices/A%201", "GET")
    assert event["pathParameters"] == {"sku": "A 1"}
    assert event["queryStringParameters"] == {"q": "2", "r": ""}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"], "r": [""]}
    assert (event["headers"]["X-Mine"], event["multiValueHeaders"]["X-Mine"]) == ("here", ["here"])
    assert event["stageVariables"] == {"colour": "red"}
    assert event["requestContext"]["path"] == "/prod/prices/A%201"
    assert event["requestContext"]["requestId"] == found.header("x-amzn-RequestId")
    assert world.ask("PUT", f"/{api}/prod/files/a/b").json["pathParameters"] == {"proxy": "a/b"}


def test_what_a_rest_api_does_not_have(world: World) -> None:
    api = world.rest_api("GET /x")
    for method, path in (("GET", "/prod/y"), ("POST", "/prod/x"), ("GET", "/prod")):
        found = world.ask(method, f"/{api}{path}")
        assert (found.status, found.json) == (403, {"message": "Missing Authentication Token"})
        assert found.header("x-amzn-ErrorType") == "MissingAuthenticationTokenException"
    found = world.ask("GET", f"/{api}/nostage/x")
    assert (found.status, found.json) == (403, {"message": "Forbidden"})


@pytest.mark.parametrize("how", ["raise", "malformed"])
def test_a_function_that_fails_a_rest_api(world: World, how: str) -> None:
    api = world.rest_api("GET /{how}")
    found = world.ask("GET", f"/{api}/prod/{how}")
    assert (found.status, found.json) == (502, {"message": "Internal server error"})


def test_a_rest_api_tells_binary_bodies_by_its_media_types(world: World) -> None:
    api = world.rest_api("POST /x", binaryMediaTypes=["image/*"])
    event = world.ask("POST", f"/{api}/prod/x", b"\xff\x00", Content_Type="image/png").json
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, b"\xff\x00")
    event = world.ask("POST", f"/{api}/prod/x", b"a=1", Content_Type="application/x-www-form-urlencoded").json
    assert (event["isBase64Encoded"], event["body"]) == (False, "a=1")


def test_a_route_that_asks_for_a_right_which_cannot_be_checked_lets_nobody_in(world: World) -> None:
    api = world.rest_api("GET /x", authorization="AWS_IAM")
    found = world.ask("GET", f"/{api}/prod/x")
    assert found.status == 403
    assert "AWS_IAM" in (found.header("X-Workbench-Reason") or "")


def test_a_function_that_is_named_by_a_stage_variable(world: World) -> None:
    uri = (
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        "arn:aws:lambda:us-east-1:000000000000:function:${stageVariables.function}/invocations"
    )
    api = world.rest_api("GET /x", uri=uri, variables={"function": "echo"})
    assert world.ask("GET", f"/{api}/prod/x").status == 200
    api = world.rest_api("GET /x", uri=uri, variables={"function": "missing"})
    assert world.ask("GET", f"/{api}/prod/x").status == 500


@pytest.fixture
def streaming(world: World) -> str:
    """The path of a REST API whose function streams."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.js", STREAM)
    arn = world.platform.client.get_function(
        FunctionName=world.platform.create(archive.getvalue(), Runtime="nodejs22.x", Handler="index.handler")
    )["Configuration"]["FunctionArn"]
    path = f"arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{arn}/response-streaming-invocations"
    return f"/{world.rest_api('GET /x', uri=path)}/prod/x"


@needs("node")
def test_a_streamed_answer_arrives_while_the_function_still_runs(world: World, streaming: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=30)
    connection.request("GET", f"{streaming}?gate={gate}")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("X-Own"), answer.read(6)) == (201, "yes", b"first ")
    gate.touch()  # only now the function goes on
    assert answer.read() == b"second"
    connection.close()


@needs("node")
def test_a_streamed_answer_that_breaks_does_not_pass_for_whole(world: World, streaming: str, tmp_path: Path) -> None:
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        world.ask("GET", f"{streaming}?gate={tmp_path}&fail=1")


def test_a_function_that_is_throttled(world: World) -> None:
    name = world.platform.create(zipped(app=ECHO))
    arn = world.platform.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    world.platform.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    found = world.ask("GET", f"/{world.http_api('GET /x', IntegrationUri=arn)}/x")
    assert (found.status, found.json) == (503, {"message": "Service Unavailable"})
    assert "TooManyRequests" in (found.header("X-Workbench-Reason") or "")


def test_bodies_that_are_too_large(world: World) -> None:
    api = world.http_api("POST /x")
    for size in (6 * 2**20, 10 * 2**20 + 1):
        found = world.ask("POST", f"/{api}/x", b"x" * size, Content_Type="text/plain")
        assert (found.status, found.json) == (413, {"message": "Request Entity Too Large"})


def test_each_request_is_a_story_in_the_flow(world: World) -> None:
    api = world.http_api("GET /{how}")
    good = world.ask("GET", f"/{api}/fine")
    bad = world.ask("GET", f"/{api}/raise")
    for reply, end in ((good, "answered"), (bad, "failed")):
        steps = world.platform.ask("GET", f"flow?id={reply.header('apigw-requestid')}")["steps"]
        assert [step["what"] for step in steps] == ["received", "invoked", end]
        assert {step["source"] for step in steps} == {f"arn:aws:execute-api:us-east-1:000000000000:{api}"}
        assert steps[-1]["instance"] == reply.header("X-Workbench-Instance")


def test_an_api_that_is_made_at_the_platforms_own_endpoint() -> None:
    with Platform("--aws") as platform:
        keys = platform.ready
        apis_client = boto3.client(
            "apigatewayv2",
            endpoint_url=platform.endpoint,
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name=keys["region"],
        )
        function = platform.client.get_function(FunctionName=platform.create(zipped(app=ECHO)))
        arn = function["Configuration"]["FunctionArn"]
        made = apis_client.create_api(Name="quick", ProtocolType="HTTP", Target=arn)["ApiId"]
        url = platform.ask("GET", "gateway")["url"]
        answer = json.load(urllib.request.urlopen(f"{url}/{made}/prices/A1"))
    assert (answer["version"], answer["rawPath"], answer["requestContext"]["apiId"]) == ("2.0", "/prices/A1", made)
