"""Node.js functions on the platform, through boto3: answers, errors in AWS's words, logs, layers, streams."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functional.faas.platform import Platform, eventually
from tests.needs import needs

pytestmark = needs("node")

KINDS = [
    pytest.param("process"),
    pytest.param("namespaces", marks=needs("namespaces")),
    pytest.param("docker", marks=needs("docker")),
]
CODE = """
const { randomUUID } = require("node:crypto");
const me = randomUUID();
let count = 0;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
exports.handler = async (event, context) => {
  count += 1;
  if (event.print) console.log(event.print);
  if (event.sleep) await wait(event.sleep * 1000);
  if (event.raise) throw new RangeError(event.raise);
  if (event.lose) { Promise.reject(new Error(event.lose)); await wait(5000); }
  if ("exit" in event) process.exit(event.exit);
  if (event.eat) Buffer.alloc(event.eat * 2 ** 20, 1);
  if (event.module) return require(event.module);
  return { event, me, count, name: context.functionName, custom: context.clientContext?.custom };
};
exports.stream = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  for (const part of event.parts) { stream.write(part); await wait(50); }
  if (event.raise) throw new RangeError(event.raise);
  stream.end();
});
"""


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def running(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with Platform("--idle-expiry-s", "600", isolation=request.param) as platform:
        yield platform


@pytest.fixture
def function(running: Platform) -> Iterator[str]:
    name = create(running)
    yield name
    running.delete(name)


def create(platform: Platform, code: bytes = zipped({"index.js": CODE}), **settings: Any) -> str:
    return platform.create(code, **{"Runtime": "nodejs22.x", "Handler": "index.handler", **settings})


def body_of(answer: Any) -> Any:
    return json.loads(answer["Body"])


def log_of(answer: Any) -> str:
    return base64.b64decode(answer["LogResult"]).decode()


def test_cold_then_warm_then_two_at_once(running: Platform, function: str) -> None:
    context = base64.b64encode(json.dumps({"custom": {"key": "välue"}}).encode()).decode()
    cold = running.invoke(function, {"a": [1, "ü"]}, ClientContext=context)
    assert cold["Headers"]["x-workbench-cold"] == "1"
    assert all(value > 0 for value in json.loads(cold["Headers"]["x-workbench-phases"]).values())
    first = body_of(cold)
    assert (first["event"], first["name"], first["custom"]) == ({"a": [1, "ü"]}, function, {"key": "välue"})
    warm = running.value(function)
    assert (warm["me"], warm["count"]) == (first["me"], 2)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: running.value(function, {"sleep": 2}), range(2)))
    assert len({answer["me"] for answer in both}) == 2


def test_an_error_is_in_the_answer_and_in_the_log(running: Platform, function: str) -> None:
    answer = running.invoke(function, {"raise": "far", "print": "hello"}, LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert (body_of(answer)["errorType"], body_of(answer)["errorMessage"]) == ("RangeError", "far")
    assert body_of(answer)["trace"][0] == "RangeError: far"
    request = answer["ResponseMetadata"]["RequestId"]
    assert f"\t{request}\tINFO\thello\n" in log_of(answer)
    assert f'\t{request}\tERROR\tInvoke Error \t{{"errorType":"RangeError"' in log_of(answer)
    assert running.value(function)["count"] == 2, "the instance lives on"


def test_a_lost_rejection_ends_the_instance(running: Platform, function: str) -> None:
    before = running.value(function)["me"]
    answer = body_of(running.invoke(function, {"lose": "nobody looks"}))
    assert (answer["errorType"], answer["errorMessage"]) == (
        "Runtime.UnhandledPromiseRejection",
        "Error: nobody looks",
    )
    eventually(lambda: before not in {running.value(function)["me"]})


def test_an_exit_and_too_much_memory_are_told_in_awss_words(running: Platform) -> None:
    name = create(running, MemorySize=256)
    answer = running.invoke(name, {"exit": 7})
    assert body_of(answer)["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")
    running.value(name)
    if "memory" in running.instances(name)[0]["enforced"]:
        assert body_of(running.invoke(name, {"eat": 600}))["errorMessage"].endswith("signal: killed")
    assert running.value(name)["event"] == {}
    running.delete(name)


def test_a_timeout(running: Platform) -> None:
    name = create(running, Timeout=1)
    assert body_of(running.invoke(name, {"sleep": 30}))["errorType"] == "Sandbox.Timedout"
    assert running.value(name)["count"] == 1
    running.delete(name)


@pytest.mark.parametrize(
    ("files", "handler", "kind", "words"),
    [
        ({"index.js": "require('nothing-so-named')"}, "index.handler", "Runtime.ImportModuleError", "nothing-so-named"),
        ({"index.mjs": "export const handler = ("}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError"),
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound", "undefined or not exported"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    running: Platform, files: dict[str, str], handler: str, kind: str, words: str
) -> None:
    name = create(running, zipped(files), Handler=handler)
    answer = running.invoke(name, LogType="Tail")
    assert body_of(answer)["errorType"] == kind
    assert words in body_of(answer)["errorMessage"]
    assert "ERROR\tUncaught Exception" in log_of(answer)
    running.delete(name)


def test_modules_of_the_package_and_of_a_layer(running: Platform) -> None:
    layer = zipped({"nodejs/node_modules/greet/index.js": "module.exports = 'hi'"})
    published = running.client.publish_layer_version(LayerName="greetings", Content={"ZipFile": layer})
    code = zipped({"index.js": CODE, "node_modules/own/index.js": "module.exports = 'mine'"})
    name = create(running, code, Layers=[published["LayerVersionArn"]])
    assert running.value(name, {"module": "own"}) == "mine"
    assert running.value(name, {"module": "greet"}) == "hi"
    running.delete(name)


def test_a_response_streams_through_boto3(running: Platform) -> None:
    name = create(running, Handler="index.stream")
    stream = running.client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps({"parts": ["one", "two", "three"]})
    )
    events = list(stream["EventStream"])
    parts = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert b"".join(parts) == b"onetwothree"
    assert len(parts) > 1, "it came in pieces"
    assert "ErrorCode" not in events[-1]["InvokeComplete"]
    running.delete(name)


def test_an_error_in_the_middle_of_a_stream_completes_it(running: Platform) -> None:
    name = create(running, Handler="index.stream")
    stream = running.client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps({"parts": ["one"], "raise": "dry"})
    )
    *parts, last = list(stream["EventStream"])
    assert b"".join(part["PayloadChunk"]["Payload"] for part in parts) == b"one"
    assert last["InvokeComplete"]["ErrorCode"]
    assert "dry" in last["InvokeComplete"]["ErrorDetails"]
    running.delete(name)
