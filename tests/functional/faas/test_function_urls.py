"""Function URLs and the permissions that open them, over plain HTTP on loopback ports.

Longer than other files: one protocol, whose rules meet each other.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from tests.functional.faas.platform import ROLE, Platform, zipped
from tests.needs import needs

ECHO = zipped(
    app="""
import json, time

def handler(event, context):
    wish = json.loads(event["body"]) if event.get("body", "").startswith("{") else {}
    if "raise" in wish:
        raise ValueError(wish["raise"])
    if "sleep" in wish:
        time.sleep(wish["sleep"])
    return wish["answer"] if "answer" in wish else {
        "statusCode": 200, "body": json.dumps({"event": event, "arn": context.invoked_function_arn})
    }
"""
)


@pytest.fixture(scope="module")
def echo(platform: Platform) -> Iterator[str]:
    name = platform.create(code=ECHO)
    platform.value(name, {})
    yield name
    platform.delete(name)


@pytest.fixture
def url(platform: Platform, echo: str) -> Iterator[str]:
    """A URL that anybody may call."""
    found = open_url(platform, echo)
    yield found
    close_url(platform, echo)


def open_url(platform: Platform, name: str, auth: str = "NONE", *, public: bool = True, **more: Any) -> str:
    made = platform.client.create_function_url_config(FunctionName=name, AuthType=auth, **more)
    if public:
        allow(platform, name)
    url: str = made["FunctionUrl"]
    return url


def allow(platform: Platform, name: str, **more: Any) -> Any:
    values = {
        "StatementId": "public",
        "Action": "lambda:InvokeFunctionUrl",
        "Principal": "*",
        "FunctionUrlAuthType": "NONE",
    }
    return platform.client.add_permission(FunctionName=name, **{**values, **more})


def close_url(platform: Platform, name: str) -> None:
    platform.client.delete_function_url_config(FunctionName=name)
    with contextlib.suppress(platform.client.exceptions.ResourceNotFoundException):
        platform.client.remove_permission(FunctionName=name, StatementId="public")


def call(url: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None) -> Any:
    return URLLib3Session().send(AWSRequest(method, url, headers=headers or {}, data=body).prepare())


def answer(url: str, value: Any) -> Any:
    return call(url, "POST", json.dumps({"answer": value}).encode(), {"Content-Type": "application/json"})


# ---- the event and the answer ----------------------------------------------------------------------------------------


def test_a_request_reaches_the_function_as_an_event(platform: Platform, echo: str, url: str) -> None:
    headers = {"Cookie": "a=1; b=2", "X-Own": "yes", "Content-Type": "text/plain"}
    got = json.loads(call(url + "deep/er%20path?q=1&q=2&r=%C3%A9", "PUT", "grüße".encode(), headers).content)
    event = got["event"]
    assert event["rawPath"] == "/deep/er%20path"
    assert event["queryStringParameters"] == {"q": "1,2", "r": "é"}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-own"] == "yes"
    assert event["headers"]["host"] == urlsplit(url).netloc == event["requestContext"]["domainName"]
    assert event["body"] == "grüße"
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert got["arn"].endswith(f":function:{echo}")


def test_bytes_travel_both_ways(url: str) -> None:
    sent = bytes(range(256))
    event = json.loads(call(url, "POST", sent, {"Content-Type": "image/png"}).content)["event"]
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == sent
    back = answer(url, {"statusCode": 200, "isBase64Encoded": True, "body": base64.b64encode(sent).decode()})
    assert back.content == sent


def test_an_answer_sets_status_headers_and_cookies(url: str) -> None:
    got = answer(
        url,
        {
            "statusCode": 418,
            "headers": {"X-A": "b", "Content-Type": "text/x"},
            "cookies": ["a=1", "b=2"],
            "body": "tea",
        },
    )
    assert (got.status_code, got.content) == (418, b"tea")
    assert got.headers["X-A"] == "b"
    assert got.headers["Content-Type"] == "text/x"
    assert got.raw.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(("value", "body"), [("plain", b"plain"), ({"a": 1}, b'{"a": 1}'), (None, b"null")])
def test_an_answer_without_status_is_the_body(url: str, value: Any, body: bytes) -> None:
    got = answer(url, value)
    assert (got.status_code, got.content, got.headers["Content-Type"]) == (200, body, "application/json")


@pytest.mark.parametrize("wish", [{"answer": {"statusCode": "x"}}, {"raise": "no"}])
def test_a_function_that_does_not_answer_properly_is_a_bad_gateway(url: str, wish: dict[str, Any]) -> None:
    got = call(url, "POST", json.dumps(wish).encode(), {"Content-Type": "application/json"})
    assert (got.status_code, got.content) == (502, b"Internal Server Error")
    assert got.headers["X-Workbench-Reason"]


def test_what_is_too_large_is_refused(url: str) -> None:
    assert call(url, "POST", b"x" * (6 * 2**20 + 1)).status_code == 413
    assert call(url, "POST", b"x" * (5 * 2**20)).status_code == 413, "in base64 it is larger than 6 MB"


def test_a_throttled_function_says_so(platform: Platform, echo: str, url: str) -> None:
    platform.client.put_function_concurrency(FunctionName=echo, ReservedConcurrentExecutions=0)
    try:
        got = call(url)
    finally:
        platform.client.delete_function_concurrency(FunctionName=echo)
    assert got.status_code == 429
    assert call(url).status_code == 200


# ---- streams ---------------------------------------------------------------------------------------------------------

STREAMING = """
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const query = event.queryStringParameters ?? {};
  const out = "bare" in query ? stream : awslambda.HttpResponseStream.from(stream, {
    statusCode: "status" in query ? query.status : 201, headers: { "x-own": "yes" }, cookies: ["a=1"],
  });
  if ("bare" in query) out.setContentType("text/csv");
  out.write("first;");
  if ("fail" in query) throw new Error("no");
  await new Promise((go) => setTimeout(go, Number(query.wait ?? 0)));
  out.write("last");
  out.end();
});
"""


@pytest.fixture(scope="module")
def stream(platform: Platform) -> Iterator[str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.js", STREAMING)
    name = platform.create(code=buffer.getvalue(), Runtime="nodejs20.x", Timeout=5)
    yield open_url(platform, name, InvokeMode="RESPONSE_STREAM")
    platform.delete(name)


@needs("node")
def test_a_stream_sets_status_headers_and_cookies_and_arrives_before_it_is_whole(stream: str) -> None:
    parts = urlsplit(stream)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", "/?wait=60000")
    got = connection.getresponse()
    assert (got.status, got.headers["x-own"], got.headers["set-cookie"]) == (201, "yes", "a=1")
    assert got.read(6) == b"first;"
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):  # the rest never comes: it takes too long
        got.read()
    connection.close()
    assert call(stream).content == b"first;last"


@needs("node")
def test_a_stream_without_a_prelude_has_its_own_type(stream: str) -> None:
    got = call(stream + "?bare=1")
    assert (got.status_code, got.headers["Content-Type"], got.content) == (200, "text/csv", b"first;last")


@needs("node")
def test_a_stream_with_a_prelude_that_is_none_is_a_bad_gateway(stream: str) -> None:
    assert call(stream + "?status=wrong").status_code == 502


@needs("node")
def test_a_stream_that_breaks_off_does_not_look_whole(stream: str) -> None:
    parts = urlsplit(stream)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.request("GET", "/?fail=1")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    connection.close()
    assert call(stream).content == b"first;last", "the next one is whole again"


def test_a_function_that_does_not_stream_answers_such_a_url_too(platform: Platform, echo: str) -> None:
    url = open_url(platform, echo, InvokeMode="RESPONSE_STREAM")
    try:
        assert answer(url, {"statusCode": 202, "body": "whole"}).status_code == 202
    finally:
        close_url(platform, echo)


# ---- who may ---------------------------------------------------------------------------------------------------------


def test_nobody_gets_in_without_a_permission(platform: Platform, echo: str) -> None:
    url = open_url(platform, echo, public=False)
    try:
        got = call(url)
        assert (got.status_code, json.loads(got.content)) == (403, {"Message": "Forbidden"})
        allow(platform, echo)
        assert call(url).status_code == 200
        platform.client.remove_permission(FunctionName=echo, StatementId="public")
        assert call(url).status_code == 403
    finally:
        close_url(platform, echo)


def test_a_url_with_iam_takes_what_is_signed_with_the_platform_s_key(platform: Platform, echo: str) -> None:
    url = open_url(platform, echo, "AWS_IAM")  # the permission for anybody is for AuthType NONE
    try:
        assert call(url).status_code == 403
        assert call(url, headers=signed(platform, url, "wrong")).status_code == 403
        got = call(url, headers=signed(platform, url))
        assert got.status_code == 200
        context = json.loads(got.content)["event"]["requestContext"]
        assert context["authorizer"]["iam"]["accessKey"] == platform.ready["access_key_id"]
    finally:
        close_url(platform, echo)


def signed(platform: Platform, url: str, secret: str = "") -> dict[str, str]:
    request = AWSRequest("GET", url)
    credentials = Credentials(platform.ready["access_key_id"], secret or platform.ready["secret_access_key"])
    SigV4Auth(credentials, "lambda", platform.ready["region"]).add_auth(request)
    return dict(request.headers)


def test_a_policy_is_written_shown_and_removed_as_on_aws(platform: Platform, function: str) -> None:
    client = platform.client
    with pytest.raises(ClientError, match="does not exist"):
        client.get_policy(FunctionName=function)
    statement = json.loads(
        client.add_permission(
            FunctionName=function,
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::bucket",
            SourceAccount="123456789012",
        )["Statement"]
    )
    assert statement["Condition"]["ArnLike"] == {"AWS:SourceArn": "arn:aws:s3:::bucket"}
    shown = client.get_policy(FunctionName=function)
    assert json.loads(shown["Policy"])["Statement"] == [statement]
    with pytest.raises(ClientError) as caught:
        allow(platform, function, StatementId="s3")
    assert caught.value.response["Error"]["Code"] == "ResourceConflictException"
    with pytest.raises(ClientError) as caught:
        allow(platform, function, RevisionId="old")
    assert caught.value.response["Error"]["Code"] == "PreconditionFailedException"
    allow(platform, function, RevisionId=shown["RevisionId"])
    with pytest.raises(ClientError, match=r"\$LATEST"):
        allow(platform, function, StatementId="latest", Qualifier="$LATEST")
    version = client.publish_version(FunctionName=function)["Version"]
    allow(platform, function, StatementId="version", Qualifier=version)
    resource = json.loads(client.get_policy(FunctionName=function, Qualifier=version)["Policy"])["Statement"][0]
    assert resource["Resource"].endswith(f"{function}:{version}")
    for identity in ("s3", "public"):
        client.remove_permission(FunctionName=function, StatementId=identity)
    with pytest.raises(ClientError):
        client.get_policy(FunctionName=function)
    with pytest.raises(ClientError, match="does not exist"):
        client.remove_permission(FunctionName=function, StatementId="s3")


# ---- configurations --------------------------------------------------------------------------------------------------


def test_a_configuration_is_made_once_changed_listed_and_deleted(platform: Platform, function: str) -> None:
    client = platform.client
    with pytest.raises(ClientError) as caught:
        client.get_function_url_config(FunctionName=function)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    made = client.create_function_url_config(FunctionName=function, AuthType="AWS_IAM")
    assert made["InvokeMode"] == "BUFFERED"
    with pytest.raises(ClientError, match="exists for this Lambda function") as caught:
        client.create_function_url_config(FunctionName=function, AuthType="NONE")
    assert caught.value.response["Error"]["Code"] == "ResourceConflictException"
    changed = client.update_function_url_config(
        FunctionName=function, AuthType="NONE", Cors={"AllowOrigins": ["https://a.example"]}
    )
    assert changed["FunctionUrl"] == made["FunctionUrl"]
    assert (changed["AuthType"], changed["Cors"]) == ("NONE", {"AllowOrigins": ["https://a.example"]})
    client.create_alias(
        FunctionName=function, Name="live", FunctionVersion=client.publish_version(FunctionName=function)["Version"]
    )
    alias = client.create_function_url_config(FunctionName=function, Qualifier="live", AuthType="NONE")
    assert alias["FunctionUrl"] != made["FunctionUrl"]
    pages = client.get_paginator("list_function_url_configs").paginate(
        FunctionName=function, PaginationConfig={"PageSize": 1}
    )
    listed = [config["FunctionArn"] for page in pages for config in page["FunctionUrlConfigs"]]
    assert listed == [made["FunctionArn"], alias["FunctionArn"]]
    client.delete_alias(FunctionName=function, Name="live")
    client.delete_function_url_config(FunctionName=function)
    for url in (made["FunctionUrl"], alias["FunctionUrl"]):
        assert not listens(url)


def listens(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as attempt:
        return attempt.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def test_an_alias_s_url_runs_its_version_and_needs_its_own_permission(platform: Platform) -> None:
    name = platform.create(code=ECHO)
    try:
        version = platform.client.publish_version(FunctionName=name)["Version"]
        platform.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        url = open_url(platform, name, Qualifier="live")
        assert call(url).status_code == 403, "the permission is the function's, not the alias's"
        allow(platform, name, Qualifier="live")
        assert json.loads(call(url).content)["arn"].endswith(f":function:{name}:live")
    finally:
        platform.delete(name)
    assert not listens(url), "it goes with its function"


def test_a_url_has_the_same_port_after_a_restart_if_it_is_free(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with Platform("--state", state) as first:
        urls = []
        for name in ("one", "two"):
            first.client.create_function(
                FunctionName=name, Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": ECHO}
            )
            urls.append(open_url(first, name))
        assert call(urls[0]).status_code == 200
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", urlsplit(urls[1]).port or 0))
        taken.listen()
        with Platform("--state", state) as second:
            assert call(urls[0]).status_code == 200
            moved = second.client.get_function_url_config(FunctionName="two")["FunctionUrl"]
            assert moved != urls[1]
            assert call(moved).status_code == 200
    with Platform("--state", state) as third:
        assert third.client.get_function_url_config(FunctionName="two")["FunctionUrl"] == moved


# ---- browsers --------------------------------------------------------------------------------------------------------


def test_the_platform_answers_browsers_for_the_function(platform: Platform, echo: str) -> None:
    site = "https://site.example"
    rules = {"AllowOrigins": [site], "AllowMethods": ["PUT"], "AllowHeaders": ["x-own"], "MaxAge": 60}
    url = open_url(platform, echo, Cors=rules)
    try:
        asked = {"Origin": site, "Access-Control-Request-Method": "PUT"}
        preflight = call(url, "OPTIONS", headers=asked)
        assert (preflight.status_code, preflight.content) == (200, b"")
        assert preflight.headers["Access-Control-Allow-Origin"] == site
        assert preflight.headers["Access-Control-Allow-Methods"] == "PUT"
        assert preflight.headers["Access-Control-Max-Age"] == "60"
        stranger = call(url, "OPTIONS", headers={**asked, "Origin": "https://other.example"})
        assert "Access-Control-Allow-Origin" not in stranger.headers
        own = json.dumps({"answer": {"statusCode": 200, "headers": {"access-control-allow-origin": "*"}}}).encode()
        got = call(url, "POST", own, {"Origin": site, "Content-Type": "application/json"})
        assert got.raw.headers.getlist("Access-Control-Allow-Origin") == [site]
        assert json.loads(call(url, "OPTIONS").content)["event"]["requestContext"]["http"]["method"] == "OPTIONS"
    finally:
        close_url(platform, echo)
