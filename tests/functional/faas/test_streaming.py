"""InvokeWithResponseStream through plain boto3, with a function that streams and with one that cannot."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform, eventually
from tests.needs import needs

NODE = """
const fs = require("node:fs");
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.fail_first) throw new Error("before");
  if (event.http) stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "X-A": "b" } });
  else stream.setContentType("text/plain");
  for (const [n, part] of (event.parts ?? []).entries()) {
    stream.write(part);
    while (event.gate && !fs.existsSync(event.gate + n)) await wait(10);
  }
  if (event.megabytes) {
    const part = Buffer.alloc(1 << 20, "x");
    for (let n = 0; n < event.megabytes; n++)
      if (!stream.write(part)) await new Promise((resolve) => stream.once("drain", resolve));
  }
  if (event.exit) process.exit(event.exit);
  if (event.sleep) await wait(event.sleep * 1000);
  if (event.fail) throw new TypeError("after");
  console.log("said");
  stream.end();
});
"""


def node_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.js", NODE)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def streaming(platform: Platform) -> Iterator[str]:
    name = platform.create(node_zip(), Runtime="nodejs22.x", Handler="index.handler", Timeout=20)
    yield name
    platform.delete(name)


def begun(platform: Platform, name: str, event: dict[str, Any], **more: Any) -> Any:
    return platform.client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(event).encode(), **more)


def streamed(platform: Platform, name: str, event: dict[str, Any], **more: Any) -> tuple[bytes, dict[str, str]]:
    """All of the payload, and InvokeComplete."""
    *chunks, last = list(begun(platform, name, event, **more)["EventStream"])
    return b"".join(c["PayloadChunk"]["Payload"] for c in chunks), last["InvokeComplete"]


@needs("node")
def test_chunks_arrive_while_the_function_still_runs(platform: Platform, streaming: str, tmp_path: Path) -> None:
    answer = begun(platform, streaming, {"parts": ["one", "two", "three"], "gate": f"{tmp_path}/"}, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream"
    events = iter(answer["EventStream"])
    for n, part in enumerate((b"one", b"two", b"three")):
        # The function writes the next part only when this test has seen the one before.
        assert next(events) == {"PayloadChunk": {"Payload": part}}
        (tmp_path / str(n)).touch()
    complete = next(events)["InvokeComplete"]
    log = base64.b64decode(complete.pop("LogResult")).decode()
    assert "said" in log
    assert "REPORT RequestId: " + answer["ResponseMetadata"]["RequestId"] in log
    assert complete == {}
    assert list(events) == []


@needs("node")
def test_a_stream_may_be_much_larger_than_an_answer(platform: Platform, streaming: str) -> None:
    payload, complete = streamed(platform, streaming, {"megabytes": 40})
    assert (len(payload), complete) == (40 * 2**20, {})


@needs("node")
def test_an_error_after_the_stream_began_is_in_its_last_event(platform: Platform, streaming: str) -> None:
    payload, complete = streamed(platform, streaming, {"parts": ["half"], "fail": True})
    assert payload == b"half"
    assert complete["ErrorCode"] == "Unhandled"
    details = json.loads(complete["ErrorDetails"])
    assert (details["errorType"], details["errorMessage"]) == ("TypeError", "after")


@needs("node")
def test_an_error_before_the_stream_began_is_too(platform: Platform, streaming: str) -> None:
    payload, complete = streamed(platform, streaming, {"fail_first": True})
    assert payload == b""
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "before"


@needs("node")
def test_an_exit_in_the_middle_is_the_functions_error(platform: Platform, streaming: str) -> None:
    _, complete = streamed(platform, streaming, {"parts": ["half"], "exit": 3})
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Runtime.ExitError"


@needs("node")
def test_a_timeout_in_the_middle_ends_the_stream(platform: Platform) -> None:
    name = platform.create(node_zip(), Runtime="nodejs22.x", Handler="index.handler", Timeout=2)
    payload, complete = streamed(platform, name, {"parts": ["half"], "sleep": 60})
    assert payload == b"half"
    assert json.loads(complete["ErrorDetails"])["errorType"] == "Sandbox.Timedout"
    platform.delete(name)


@needs("node")
def test_the_prelude_of_an_http_response_is_passed_on(platform: Platform, streaming: str) -> None:
    payload, _ = streamed(platform, streaming, {"http": True, "parts": ["body"]})
    prelude, _, body = payload.partition(b"\0" * 8)
    assert json.loads(prelude)["statusCode"] == 201
    assert body == b"body"


@needs("node")
def test_invoke_gathers_what_a_function_streams(platform: Platform, streaming: str) -> None:
    assert platform.invoke(streaming, {"parts": ["one", "two"]})["Body"] == b"onetwo"
    answer = platform.invoke(streaming, {"megabytes": 7})
    assert json.loads(answer["Body"])["errorType"] == "Function.ResponseSizeTooLarge"


@needs("node")
def test_who_hangs_up_does_not_stop_the_function(platform: Platform, streaming: str) -> None:
    served = sum(i["invocations"] for i in platform.instances(streaming))
    answer = begun(platform, streaming, {"parts": ["x"], "megabytes": 100})
    next(iter(answer["EventStream"]))
    answer["EventStream"].close()
    eventually(lambda: sum(i["invocations"] for i in platform.instances(streaming)) == served + 1)
    assert streamed(platform, streaming, {"parts": ["y"]})[0] == b"y"


def test_a_function_that_cannot_stream_answers_in_one_chunk(platform: Platform, function: str) -> None:
    events = list(begun(platform, function, {"print": "hello"}, LogType="Tail")["EventStream"])
    assert [next(iter(event)) for event in events] == ["PayloadChunk", "InvokeComplete"]
    assert json.loads(events[0]["PayloadChunk"]["Payload"])["count"] == 1
    assert "hello" in base64.b64decode(events[1]["InvokeComplete"]["LogResult"]).decode()


def test_a_functions_error_is_in_the_last_event(platform: Platform, function: str) -> None:
    payload, complete = streamed(platform, function, {"raise": "broken"})
    assert payload == b""
    assert complete["ErrorCode"] == "Unhandled"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "broken"
    assert "LogResult" not in complete


def test_what_the_api_refuses_is_no_stream(platform: Platform, function: str) -> None:
    with pytest.raises(ClientError) as caught:
        begun(platform, "absent", {})
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as caught:
        begun(platform, function, {})
    assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
    answer = platform.raw("POST", f"/2021-11-15/functions/{function}/response-streaming-invocations", b"{nonsense")
    assert answer.headers["x-amzn-errortype"] == "InvalidRequestContentException"


def test_a_dry_run_runs_nothing(platform: Platform, function: str) -> None:
    path = f"/2021-11-15/functions/{function}/response-streaming-invocations"
    assert platform.raw("POST", path, b"{}", {"X-Amz-Invocation-Type": "DryRun"}).status_code == 204
    assert platform.instances(function) == []
