"""What a function reaches from inside its box: the platform's AWS API by plain boto3, what its tag names, no more."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.faas.platform import Platform, zipped
from tests.needs import needs

pytestmark = needs("namespaces")

CALLER = """
import json, os, socket, urllib.request
import boto3

def handler(event, context):
    lambdas = boto3.client("lambda")
    if "call" in event:
        answer = lambdas.invoke(FunctionName=event["call"], Payload=json.dumps(event["with"]).encode())
        return json.loads(answer["Payload"].read())
    if "port" in event:
        with socket.create_connection(("127.0.0.1", event["port"]), timeout=5) as peer:
            peer.sendall(b"hello\\n")
            return peer.makefile().readline()
    if "private" in event:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        request = AWSRequest("GET", os.environ["AWS_ENDPOINT_URL_LAMBDA"] + event["private"])
        SigV4Auth(boto3.Session().get_credentials(), "lambda", os.environ["AWS_REGION"]).add_auth(request)
        try:
            with urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers))) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
    return {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
"""


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline().upper())


@pytest.fixture(scope="module")
def boxed() -> Iterator[Platform]:
    with Platform(isolation="namespaces") as running:
        yield running


@pytest.fixture
def caller(boxed: Platform) -> Iterator[str]:
    name = boxed.create(zipped(app=CALLER))
    yield name
    boxed.delete(name)


@pytest.fixture
def echo() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_function_invokes_another_with_nothing_but_boto3(boxed: Platform, caller: str) -> None:
    other = boxed.create()
    answer = boxed.value(caller, {"call": other, "with": {"a": 1}})
    assert answer["event"] == {"a": 1}
    assert answer["name"] == other
    boxed.delete(other)


def test_the_key_is_the_instances_own_and_ends_with_it(boxed: Platform, caller: str) -> None:
    first = boxed.value(caller)
    (instance,) = boxed.instances(caller)
    client = boxed.client_with(
        aws_access_key_id=first["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=first["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=first["AWS_SESSION_TOKEN"],
    )
    assert client.get_function(FunctionName=caller)["Configuration"]["FunctionName"] == caller
    boxed.ask("DELETE", f"functions/{caller}/instances/{instance['instance_id']}")
    second = boxed.value(caller)
    assert second["AWS_ACCESS_KEY_ID"] != first["AWS_ACCESS_KEY_ID"]
    with pytest.raises(client.exceptions.ClientError, match="UnrecognizedClientException"):
        client.get_function(FunctionName=caller)


def test_the_platforms_own_requests_are_not_for_functions(boxed: Platform, caller: str) -> None:
    assert boxed.value(caller, {"private": f"/_workbench/functions/{caller}/instances"}) == 403


def test_nothing_else_of_this_machine_is_reached(boxed: Platform, caller: str, echo: int) -> None:
    answer = boxed.invoke(caller, {"port": echo})
    assert json.loads(answer["Body"])["errorType"] == "ConnectionRefusedError"


def test_what_the_functions_tag_names_is_reached(boxed: Platform, echo: int) -> None:
    name = boxed.create(zipped(app=CALLER), Tags={"workbench:outbound": f"7000=127.0.0.1:{echo}"})
    assert boxed.value(name, {"port": 7000}) == "HELLO\n"
    boxed.delete(name)


@pytest.mark.parametrize("tag", ["mongo", "9001", "80=host"])
def test_a_wrong_tag_is_refused_at_once(boxed: Platform, caller: str, tag: str) -> None:
    wrong: dict[str, Any] = {"workbench:outbound": tag}
    with pytest.raises(boxed.client.exceptions.InvalidParameterValueException, match="workbench:outbound"):
        boxed.create(zipped(app=CALLER), Tags=wrong)
    arn = boxed.client.get_function(FunctionName=caller)["Configuration"]["FunctionArn"]
    with pytest.raises(boxed.client.exceptions.InvalidParameterValueException, match="workbench:outbound"):
        boxed.client.tag_resource(Resource=arn, Tags=wrong)
