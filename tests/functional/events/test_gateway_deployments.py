"""One gateway, three deployments: the same request is the same event and the same answer, whatever runs the service."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

import workbench as wb
from tests.functional.faas.platform import eventually
from tests.needs import needs
from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.load import constant, run_load

HANDLER = """
import base64, json, time

def handler(event, context):
    how = (event.get("pathParameters") or {}).get("how")
    if how == "raise":
        raise ValueError("as asked")
    if how == "malformed":
        return {"statusCode": 9000}
    if how == "plain":
        return {"no": "statusCode"}
    if how == "slow":
        time.sleep(30)
    if how == "binary":
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True, "body": "/wA="}
    if event.get("version") == "2.0" and how == "cookies":
        return {"statusCode": 201, "cookies": ["a=1", "b=2"], "body": ""}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
"""


class Reply(NamedTuple):
    status: int
    headers: dict[str, list[str]]
    body: bytes

    @property
    def seen(self) -> Any:
        """What does not differ from one request to the next."""
        kept = ("content-type", "set-cookie", "x-own", "x-amzn-errortype", "access-control-allow-origin")
        return self.status, {k: v for k, v in self.headers.items() if k in kept}, _steady(self.body)


def _steady(body: bytes) -> Any:
    """A body without the ids, times and ports that are each request's own."""
    try:
        event = json.loads(body)
    except ValueError:
        return body
    if not isinstance(event, dict) or "requestContext" not in event:
        return event
    context = event["requestContext"]
    for name in ("requestId", "extendedRequestId", "time", "timeEpoch", "requestTime", "requestTimeEpoch"):
        context.pop(name, None)
    context.pop("domainName")
    for headers in (event["headers"], event.get("multiValueHeaders", {})):
        for name in [n for n in headers if n.lower() in ("host", "x-forwarded-port", "x-amzn-trace-id")]:
            del headers[name]
    return event


def ask(url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
    parts = urlsplit(url + path)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, body or None, headers or {})
        answer = connection.getresponse()
        found: dict[str, list[str]] = {}
        for name, value in answer.getheaders():
            found.setdefault(name.lower(), []).append(value)
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> wb.Service:
    source = tmp_path_factory.mktemp("service")
    (source / "app.py").write_text(HANDLER)
    return wb.Service.from_dir(source, handler="app.handler", resources=wb.Resources(timeout_s=2))


@pytest.fixture(scope="module")
def deployments(service: wb.Service) -> Iterator[dict[str, Deployment]]:
    best = "namespaces" if wb.doctor().namespaces.available else "process"
    with (
        wb.deploy(service, "serverless", sandbox=best) as serverless,
        wb.deploy(service, "container", sandbox=best) as container,
        wb.deploy(service, "vm", sandbox="process") as vm,
    ):
        yield {"serverless": serverless, "container": container, "vm": vm}


REQUESTS: list[tuple[str, str, bytes, dict[str, str]]] = [
    ("GET", "/prices/A%201?q=1&q=2&empty=", b"", {"X-Mine": "here", "Cookie": "a=1; b=2"}),
    ("POST", "/prices/A1", b'{"quantity": 3}', {"Content-Type": "application/json"}),
    ("PUT", "/files/a/b%2Fc", b"\xff\x00", {"Content-Type": "image/png"}),
    ("GET", "/do/raise", b"", {}),
    ("GET", "/do/malformed", b"", {}),
    ("GET", "/do/plain", b"", {}),
    ("GET", "/do/cookies", b"", {}),
    ("GET", "/do/binary", b"", {"Accept": "image/png"}),
    ("GET", "/nowhere/at/all", b"", {}),
    ("HEAD", "/prices/A1", b"", {}),
]
ROUTES = ["ANY /prices/{sku}", "PUT /files/{proxy+}", "GET /do/{how}"]


@pytest.mark.parametrize("version", ["2.0", "1.0"])
def test_the_same_request_is_the_same_event_and_answer_in_all_three(
    deployments: dict[str, Deployment], version: str
) -> None:
    found: dict[str, list[Any]] = {}
    more: dict[str, Any] = {"binary_types": ["image/*"]} if version == "1.0" else {}
    for pattern, deployment in deployments.items():
        with wb.gateway(deployment, ROUTES, version=version, variables={"colour": "red"}, **more) as gateway:
            found[pattern] = [ask(gateway.url, *request).seen for request in REQUESTS]
    assert found["serverless"] == found["container"] == found["vm"]
    statuses = [status for status, _, _ in found["vm"]]
    expected = {
        "2.0": [200, 200, 200, 500, 500, 200, 201, 200, 404, 200],
        "1.0": [200, 200, 200, 502, 502, 502, 200, 200, 403, 200],
    }
    assert statuses == expected[version]
    assert found["vm"][7][2] == b"\xff\x00"
    assert found["vm"][0][2]["pathParameters"] == {"sku": "A 1"}
    assert found["vm"][0][2]["stageVariables"] == {"colour": "red"}


def test_a_service_that_takes_longer_than_its_own_limit_fails_alike(deployments: dict[str, Deployment]) -> None:
    found = {}
    for pattern, deployment in deployments.items():
        with wb.gateway(deployment, ROUTES) as gateway:
            found[pattern] = ask(gateway.url, "GET", "/do/slow").seen
    assert found["serverless"] == found["container"] == found["vm"]
    assert found["vm"][0] == 500


def test_a_gateway_that_waits_no_longer(deployments: dict[str, Deployment]) -> None:
    for version, status in (("2.0", 503), ("1.0", 504)):
        with wb.gateway(deployments["vm"], ROUTES, version=version, timeout_s=0.05) as gateway:
            assert ask(gateway.url, "GET", "/do/slow").status == status


def test_more_instances_are_found_and_lost_ones_are_left_out(deployments: dict[str, Deployment]) -> None:
    vm = deployments["vm"]
    with wb.gateway(vm) as gateway:

        def instances() -> set[str]:
            return {ask(gateway.url, "GET", "/")[1]["x-workbench-instance"][0] for _ in range(4)}

        assert len(instances()) == 1
        vm.scale(2)
        eventually(lambda: len(instances()) == 2)
        killed = vm.instances()[0].instance_id
        vm.kill_instance(killed)
        eventually(lambda: killed not in instances())
        vm.scale(1)
        eventually(lambda: len(instances()) == 1)


def test_load_goes_through_a_gateway(deployments: dict[str, Deployment]) -> None:
    for pattern, deployment in deployments.items():
        with wb.gateway(deployment, ["GET /prices/{sku}"]) as gateway:
            result = run_load(gateway.targets(path="/prices/A1"), constant(rate=40, duration_s=0.5))
            assert set(result.groups) == {pattern}
        assert result.counts == {"ok": 20}, pattern


def test_what_a_gateway_adds_is_measured_in_pairs(deployments: dict[str, Deployment]) -> None:
    found = wb.experiments.gateway_adds(*deployments.values(), samples=4, path="/prices/A1")
    assert [m.deployment for m in found] == ["serverless", "container", "vm"]
    for m in found:
        pairs = zip(m.detail["direct_ms"], m.detail["through_ms"], strict=True)
        assert m.samples == tuple(through - direct for direct, through in pairs)
        assert (len(m.samples), len(m.taken_s), m.complete) == (4, 4, True)


def test_the_event_of_a_request_is_told_without_sending_it(deployments: dict[str, Deployment]) -> None:
    for version in ("2.0", "1.0"):
        with wb.gateway(deployments["vm"], ROUTES, version=version) as gateway:
            told = gateway.event(path="/prices/A1?q=1")
            sent = ask(gateway.url, "GET", "/prices/A1?q=1")
            assert _steady(json.dumps(told).encode())["requestContext"] == sent.seen[2]["requestContext"]
            with pytest.raises(DeploymentError, match="No route takes GET"):
                gateway.event(path="/nowhere")


def test_a_gateway_throttles(deployments: dict[str, Deployment]) -> None:
    with wb.gateway(deployments["vm"], rate=0.001, burst=2) as gateway:
        assert [ask(gateway.url, "GET", "/").status for _ in range(3)] == [200, 200, 429]


def test_a_gateway_keeps_cross_origin_rules(deployments: dict[str, Deployment]) -> None:
    with wb.gateway(deployments["vm"], cors={"AllowOrigins": ["*"], "AllowMethods": ["GET"]}) as gateway:
        asked = ask(
            gateway.url, "OPTIONS", "/x", headers={"Origin": "https://a", "Access-Control-Request-Method": "GET"}
        )
        assert (asked.status, asked.headers["access-control-allow-methods"]) == (204, ["GET"])
        assert ask(gateway.url, "GET", "/", headers={"Origin": "https://a"}).headers["access-control-allow-origin"]


def test_requests_side_by_side_are_each_answered_by_their_own(deployments: dict[str, Deployment]) -> None:
    with wb.gateway(deployments["container"], ["GET /n/{n}"]) as gateway:
        answers: dict[int, str] = {}

        def one(n: int) -> None:
            answers[n] = json.loads(ask(gateway.url, "GET", f"/n/{n}").body)["pathParameters"]["n"]

        threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {n: str(n) for n in range(16)}


def test_a_deployment_that_is_gone_is_said(service: wb.Service) -> None:
    with wb.deploy(service, "vm", sandbox="process") as vm:
        gateway = wb.gateway(vm)
    try:
        found = eventually(lambda: (reply := ask(gateway.url, "GET", "/")).status == 500 and reply)
        assert "deployment" in found.headers["x-workbench-reason"][0]
    finally:
        gateway.close()
        gateway.close()


def test_a_port_that_is_taken_and_a_deployment_without_an_address(
    deployments: dict[str, Deployment], service: wb.Service
) -> None:
    with wb.gateway(deployments["vm"]) as gateway, pytest.raises(DeploymentError, match="did not start"):
        wb.gateway(deployments["vm"], port=urlsplit(gateway.url).port or 0)
    with wb.deploy(service, "fake") as fake, pytest.raises(DeploymentError, match="takes no load"):
        wb.gateway(fake)


STREAM = """
const fs = require("node:fs");
exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  const { gate, fail } = event.queryStringParameters;
  if (fail === "first") throw new Error("as asked");
  const head = { statusCode: 201, headers: { "X-Own": "yes" }, cookies: ["a=1", "b=2"] };
  stream = awslambda.HttpResponseStream.from(stream, head);
  stream.write("first ");
  while (!fs.existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 10));
  if (fail) throw new Error("as asked");
  stream.end("second");
});
"""


def whole(url: str, path: str) -> bool:
    """Whether an answer passes for a whole one: it is an error from the start, or it breaks off."""
    try:
        return ask(url, "GET", path).status < 500
    except (http.client.HTTPException, ConnectionError):
        return False


@needs("node")
def test_a_streamed_answer_passes_as_it_comes_whatever_the_deployment(tmp_path: Path) -> None:
    source = tmp_path / "service"
    source.mkdir()
    (source / "index.js").write_text(STREAM)
    service = wb.Service.from_dir(source, handler="index.handler", runtime="nodejs22.x")
    for pattern in ("serverless", "vm"):
        with (
            wb.deploy(service, pattern, sandbox="process") as deployment,
            wb.gateway(deployment, version="1.0", stream=True) as gateway,
        ):
            gate = tmp_path / pattern
            connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=30)
            connection.request("GET", f"/prod/x?gate={gate}")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("X-Own"), answer.read(6)) == (201, "yes", b"first "), pattern
            assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
            gate.touch()  # only now the handler goes on
            assert answer.read() == b"second"
            connection.close()
            assert ask(gateway.url, "GET", f"/x?gate={gate}&fail=first").status == 502
            assert not whole(gateway.url, f"/x?gate={gate}&fail=later"), pattern


def test_a_handler_that_does_not_stream_is_passed_on_alike(deployments: dict[str, Deployment]) -> None:
    found = []
    for deployment in deployments.values():
        with wb.gateway(deployment, ROUTES, version="1.0", stream=True) as gateway:
            found.append([ask(gateway.url, "GET", path).seen for path in ("/prices/A1", "/do/raise", "/do/malformed")])
    assert found[0] == found[1] == found[2]
    assert [status for status, _, _ in found[0]] == [200, 502, 502]


OWNER = """
import sys, time, workbench as wb
with wb.deploy(wb.Service.from_dir(sys.argv[1], handler="app.handler"), "vm", sandbox="process") as vm:
    gateway = wb.gateway(vm)
    print(gateway.url, gateway.pid, flush=True)
    time.sleep(60)
"""


def test_a_gateway_ends_when_its_owner_is_killed(service: wb.Service) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(service.source)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert owner.stdout is not None
    url, pid = owner.stdout.readline().split()
    assert urllib.request.urlopen(url).status == 200
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    eventually(lambda: not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


def test_a_gateways_process_ends_with_its_input() -> None:
    told = {"api": {}, "urls": [], "credentials": None, "limit_s": 1.0, "port": 0}
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.events.http"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    assert "port" in json.loads(process.stdout.readline())
    process.stdin.close()  # as its owner's end does
    try:
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.stdout.close()


def test_the_example_of_the_manual(service: wb.Service, tmp_path: Path) -> None:
    with (
        wb.deploy(service, "vm") as function,
        wb.gateway(function, routes=["GET /prices/{sku}", "ANY /{proxy+}"], version="2.0") as gateway,
    ):
        answer = json.load(urllib.request.urlopen(gateway.url + "/prices/A1"))
    assert (answer["routeKey"], answer["pathParameters"]) == ("GET /prices/{sku}", {"sku": "A1"})
