"""Requests that are not as they should be: refused in AWS's words, never an internal error."""

from __future__ import annotations

import datetime
import json
import socket
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform


def invoke_error(client: Any, name: str) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        client.invoke(FunctionName=name)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_an_unknown_key_is_refused(platform: Platform, function: str) -> None:
    client = platform.client_with(aws_access_key_id="AKIANOTOURS")
    assert invoke_error(client, function) == ("UnrecognizedClientException", 403)


def test_a_wrong_secret_is_refused(platform: Platform, function: str) -> None:
    client = platform.client_with(aws_secret_access_key="guess")
    assert invoke_error(client, function) == ("InvalidSignatureException", 403)


def test_another_region_is_refused(platform: Platform, function: str) -> None:
    assert invoke_error(platform.client_with(region_name="eu-west-1"), function)[0] == "InvalidSignatureException"


def test_an_old_signature_is_refused(platform: Platform, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=6)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: past)
    assert invoke_error(platform.client_with(), function) == ("InvalidSignatureException", 403)


def test_an_unsigned_request_is_refused(platform: Platform, function: str) -> None:
    for path in (f"/2015-03-31/functions/{function}", f"/_workbench/functions/{function}/instances"):
        answer = platform.raw("GET", path, signed=False)
        assert answer.status_code == 403
        assert answer.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    assert platform.raw("GET", "/_workbench/health", signed=False).status_code == 200


def test_a_signed_request_is_taken_again_but_not_with_another_body(platform: Platform, function: str) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    path = f"{platform.endpoint}/2015-03-31/functions/{function}/invocations"
    request = AWSRequest("POST", path, data=b'{"a": 1}')
    keys = Credentials(platform.ready["access_key_id"], platform.ready["secret_access_key"])
    SigV4Auth(keys, "lambda", "us-east-1").add_auth(request)
    prepared = request.prepare()
    session = URLLib3Session()
    assert [session.send(prepared).status_code for _ in range(3)] == [200, 200, 200]
    prepared.body = b'{"a": 2}'
    assert session.send(prepared).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/", b"", "UnknownOperationException"),
        ("GET", "/2015-03-31/nothing", b"", "UnknownOperationException"),
        ("PATCH", "/2015-03-31/functions", b"", "UnknownOperationException"),
        ("POST", "/2015-03-31/functions", b"", "ValidationException"),
        ("POST", "/2015-03-31/functions", b"{", "SerializationException"),
        ("POST", "/2015-03-31/functions", b"[]", "SerializationException"),
        ("POST", "/2015-03-31/functions", b'{"FunctionName": 7}', "SerializationException"),
        ("POST", "/2015-03-31/functions", b'{"FunctionName": "a/b"}', "ValidationException"),
        ("POST", "/2015-03-31/functions", b'{"Description": "\\ud800"}', "SerializationException"),
        ("POST", "/2015-03-31/functions", b"\xff\xfe", "SerializationException"),
        ("POST", "/2015-03-31/functions", b"[" * 100_000, "SerializationException"),
        ("POST", "/2015-03-31/functions", b'{"Code": {"ZipFile": "%%%"}}', "SerializationException"),
        ("GET", "/2015-03-31/functions?MaxItems=zero", b"", "SerializationException"),
        ("GET", "/2015-03-31/functions?MaxItems=0", b"", "ValidationException"),
        ("GET", "/2015-03-31/functions/a%2Fb", b"", "ValidationException"),
        ("GET", "/2015-03-31/functions/absent", b"", "ResourceNotFoundException"),
        ("POST", "/2015-03-31/functions/absent/invocations", b"{}", "ResourceNotFoundException"),
        ("POST", "/2015-03-31/functions/FN/invocations", b"{nonsense", "InvalidRequestContentException"),
        ("POST", "/2015-03-31/functions/FN/invocations", b"\xff", "InvalidRequestContentException"),
        ("PUT", "/2017-10-31/functions/FN/concurrency", b"{}", "ValidationException"),
        (
            "PUT",
            "/2017-10-31/functions/FN/concurrency",
            b'{"ReservedConcurrentExecutions": true}',
            "SerializationException",
        ),
        ("PUT", "/2017-10-31/functions/FN/concurrency", b'{"ReservedConcurrentExecutions": -1}', "ValidationException"),
        ("DELETE", "/_workbench/functions/FN/instances/none", b"", "ResourceNotFoundException"),
        ("GET", "/_workbench/nothing", b"", "UnknownOperationException"),
    ],
)
def test_malformed_requests(platform: Platform, function: str, method: str, path: str, body: bytes, code: str) -> None:
    answer = platform.raw(method, path.replace("FN", function), body)
    assert answer.headers.get("x-amzn-errortype") == code, answer.text
    assert 400 <= answer.status_code < 500
    assert json.loads(answer.content)["message" if "message" in answer.text else "Message"]


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("X-Amz-Invocation-Type", "Sometimes", "ValidationException"),
        ("X-Amz-Log-Type", "All", "ValidationException"),
        ("X-Amz-Client-Context", "not base64!", "InvalidRequestContentException"),
        ("X-Amz-Client-Context", "bm8ganNvbg==", "InvalidRequestContentException"),
    ],
)
def test_malformed_invoke_headers(platform: Platform, function: str, header: str, value: str, code: str) -> None:
    answer = platform.raw("POST", f"/2015-03-31/functions/{function}/invocations", b"{}", {header: value})
    assert answer.headers.get("x-amzn-errortype") == code
    assert answer.status_code == 400


@pytest.mark.parametrize("noise", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x00" * 9000])
def test_noise_on_the_port_does_not_harm(platform: Platform, function: str, noise: bytes) -> None:
    port = int(platform.endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(noise)
        connection.shutdown(socket.SHUT_WR)
        assert b" 500 " not in connection.recv(65536)
    platform.value(function)


def test_a_body_announced_with_expect_is_asked_for(platform: Platform) -> None:
    port = int(platform.endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")
