"""The runtime of Node.js functions, asked over its Runtime API: styles of handlers, errors, log lines, streams."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.functional.node.runtime import Instance, failure_in
from tests.functional.sandboxes.boxes import eventually
from tests.needs import needs

pytestmark = needs("node")

Start = Callable[..., Instance]
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\t(\S+)\t(\w+)\t(.*)", re.DOTALL)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(text: str = "", handler: str = "index.handler", **more: Any) -> Instance:
            files = more.pop("files", {"index.js": text})
            return stack.enter_context(Instance(files, handler, tmp_path, **more))

        yield begin


def lines(instance: Instance, number: int) -> list[tuple[str, ...]]:
    """The first lines of its log, in their four parts."""
    seen: list[str] = []
    assert eventually(lambda: seen.append(instance.printed()) or "".join(seen).count("\n") >= number)
    found = []
    for line in "".join(seen).splitlines()[:number]:
        match = LINE.fullmatch(line)
        assert match, line
        found.append(match.groups())
    return found


# ---- styles of handlers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.js": "exports.handler = async (event) => event.a + 1"}, "index.handler"),
        ({"index.cjs": "exports.handler = async (event) => event.a + 1"}, "index.handler"),
        ({"index.mjs": "export const handler = async (event) => event.a + 1"}, "index.handler"),
        ({"index.js": "export const handler = async (e) => e.a + 1", "package.json": '{"type": "module"}'},
         "index.handler"),
        ({"src/api/orders.js": "exports.place = async (event) => event.a + 1"}, "src/api/orders.place"),
        ({"my-shop.js": "exports.api = { one: 1, async place(event) { return event.a + this.one } }"},
         "my-shop.api.place"),
        ({"index.mjs": "const one = await Promise.resolve(1); export const handler = async (e) => e.a + one"},
         "index.handler"),
        ({"index.js": "exports.handler = (event, context, callback) => callback(null, event.a + 1)"}, "index.handler"),
        ({"index.js": "exports.handler = (event, context) => context.succeed(event.a + 1)"}, "index.handler"),
        ({"index.js": "exports.handler = (e, c, cb) => { setTimeout(() => cb(null, e.a + 1), 5) }"}, "index.handler"),
    ],
    ids=["cjs", "cjs-named", "esm", "esm-by-package", "folder", "path-of-names", "top-level-await", "callback",
         "succeed", "late-callback"],
)  # fmt: skip
def test_a_handler_of_each_style_answers_again_and_again(start: Start, files: dict[str, str], handler: str) -> None:
    instance = start(files=files, handler=handler)
    assert instance.seen == ["sandbox_ready", "runtime_ready"]
    assert [instance.value({"a": number}) for number in (1, 2, 3)] == [2, 3, 4]


@pytest.mark.parametrize("body", ["return undefined", "return null", "await new Promise(() => {})"])
def test_no_result_is_null(start: Start, body: str) -> None:
    instance = start(f"exports.handler = async () => {{ {body} }}")
    assert [instance.value(), instance.value()] == [None, None]


def test_a_callback_waits_for_the_event_loop_unless_told_not_to(start: Start) -> None:
    instance = start(
        """
        const order = [];
        exports.handler = (event, context, callback) => {
          context.callbackWaitsForEmptyEventLoop = event.wait;
          const seen = { ticks: 0 };
          setTimeout(() => { seen.ticks += 1 }, 100);
          callback(null, seen);
        };
        """
    )
    assert instance.value({"wait": True}) == {"ticks": 1}
    assert instance.value({"wait": False}) == {"ticks": 0}


def test_the_context_is_lambdas(start: Start) -> None:
    instance = start(
        """
        exports.handler = async (event, context) => ({
          ...context, left: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID,
        });
        """,
        environment={"AWS_LAMBDA_FUNCTION_NAME": "shop"},
    )
    found = instance.value(
        {},
        **{
            "Lambda-Runtime-Trace-Id": "Root=1-2-3",
            "Lambda-Runtime-Client-Context": json.dumps({"custom": {"key": "välue"}}, ensure_ascii=False),
            "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "me"}',
        },
    )
    assert 0 < found["left"] <= 20_000
    assert found["awsRequestId"] == "request-1"
    assert (found["functionName"], found["functionVersion"], found["memoryLimitInMB"]) == ("shop", "$LATEST", "1769")
    assert found["invokedFunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:shop"
    assert found["logGroupName"] == "/aws/lambda/shop"
    assert found["logStreamName"].endswith(instance.box.name)
    assert (found["clientContext"], found["identity"]) == ({"custom": {"key": "välue"}}, {"cognitoIdentityId": "me"})
    assert found["trace"] == "Root=1-2-3"
    assert "trace" not in instance.value({})


def test_the_environment_names_this_nodes_version_and_the_layers(start: Start, tmp_path: Path) -> None:
    layer = tmp_path / "layer/nodejs/node_modules/greeting"
    layer.mkdir(parents=True)
    (layer / "index.js").write_text("module.exports = 'from a layer'")
    instance = start(
        "exports.handler = async () => ({ said: require('greeting'), version: process.version, env: process.env })",
        opt=tmp_path / "layer",
    )
    found = instance.value()
    assert found["said"] == "from a layer"
    major = found["version"].removeprefix("v").partition(".")[0]
    assert found["env"]["AWS_EXECUTION_ENV"] == f"AWS_Lambda_nodejs{major}.x"
    assert f"/nodejs/node{major}/node_modules:" in found["env"]["NODE_PATH"]
    assert "WORKBENCH_CONTROL_FD" not in found["env"]


# ---- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("throw new TypeError('broken')", "TypeError", "broken"),
        ("class Odd extends Error { name = 'Odd' }; throw new Odd('who')", "Odd", "who"),
        ("throw 'a word'", "string", "a word"),
        ("throw undefined", "undefined", "undefined"),
        ("return 10n", "Error", "Unable to stringify response body"),
        ("const a = {}; a.a = a; return a", "Error", "Unable to stringify response body"),
    ],
)
def test_an_error_is_told_as_awss_runtime_tells_it(start: Start, body: str, kind: str, message: str) -> None:
    instance = start(f"exports.handler = async (event) => {{ if (event.well) return 'well'; {body} }}")
    said = instance.invoke({})
    assert said.path.endswith("/error")
    assert said.headers["lambda-runtime-function-error-type"] == kind
    assert (said.json["errorType"], said.json["errorMessage"]) == (kind, message)
    trace = said.json["trace"]
    if kind == "TypeError":
        assert trace[0] == "TypeError: broken"
        assert "index.js" in trace[1]
    [(_, request, level, text)] = lines(instance, 1)
    assert (request, level) == ("request-1", "ERROR")
    what, _, shown = text.partition("\t")
    assert what == "Invoke Error "
    assert (json.loads(shown)["errorType"], json.loads(shown)["stack"]) == (kind, trace)
    assert instance.value({"well": 1}) == "well"


def test_an_error_by_callback(start: Start) -> None:
    instance = start("exports.handler = (event, context, callback) => { callback(new RangeError('far')) }")
    said = instance.invoke()
    assert (said.path.rpartition("/")[2], said.json["errorType"]) == ("error", "RangeError")


@pytest.mark.parametrize(
    ("files", "handler", "kind", "words"),
    [
        ({"index.js": "require('nothing-so-named')"}, "index.handler", "Runtime.ImportModuleError",
         "Error: Cannot find module 'nothing-so-named'"),
        ({"index.mjs": "import 'nothing-so-named'"}, "index.handler", "Runtime.ImportModuleError", "nothing-so-named"),
        ({"other.js": ""}, "index.handler", "Runtime.ImportModuleError", "Error: Cannot find module 'index'"),
        ({"index.js": "exports.handler = ("}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ({"index.mjs": "export const handler = ("}, "index.handler", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ({"index.js": ""}, "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ({"index.js": "exports.handler = 7"}, "index.handler", "Runtime.HandlerNotFound", "is not a function"),
        ({"index.js": ""}, "../index.handler", "Runtime.MalformedHandlerName", "../index.handler"),
        ({"index.js": "throw new RangeError('no table')"}, "index.handler", "RangeError", "no table"),
    ],
)  # fmt: skip
def test_a_service_that_cannot_be_loaded_is_reported(
    start: Start, files: dict[str, str], handler: str, kind: str, words: str
) -> None:
    instance = start(files=files, handler=handler)
    said = instance.hear()
    instance.accept()
    assert (said.method, said.path) == ("POST", "/2018-06-01/runtime/init/error")
    assert said.headers["lambda-runtime-function-error-type"] == kind
    assert said.json["errorType"] == kind
    assert words in said.json["errorMessage"]
    assert instance.ended() == 1
    [(_, request, level, text)] = lines(instance, 1)
    assert (request, level, text.partition("\t")[0]) == ("undefined", "ERROR", "Uncaught Exception ")


@pytest.mark.parametrize(
    ("body", "kind", "message", "status"),
    [
        ("Promise.reject(new Error('lost'))", "Runtime.UnhandledPromiseRejection", "Error: lost", 128),
        ("setTimeout(() => { throw new RangeError('late') }, 1)", "RangeError", "late", 129),
    ],
)
def test_what_nobody_catches_is_reported_and_ends_the_instance(
    start: Start, body: str, kind: str, message: str, status: int
) -> None:
    instance = start(f"exports.handler = async () => {{ {body}; await new Promise((r) => setTimeout(r, 5000)) }}")
    said = instance.invoke()
    assert said.path.endswith("/error")
    assert (said.json["errorType"], said.json["errorMessage"]) == (kind, message)
    assert instance.ended() == status


def test_an_exit_of_the_handler_is_an_exit(start: Start) -> None:
    instance = start("exports.handler = async () => process.exit(3)")
    instance.give()
    assert instance.ended() == 3


# ---- log lines -----------------------------------------------------------------------------------------------------


def test_lines_of_log_have_time_request_level_and_message(start: Start) -> None:
    instance = start(
        """
        console.log("loading");
        exports.handler = async () => {
          console.log("hello %s", "you", { a: [1, 2] }); console.warn("careful");
          console.error(new Error("oh").message); console.debug("d"); console.info("i");
          console.log("x".repeat(200000));
        };
        """
    )
    instance.value()
    found = lines(instance, 7)
    assert [line[1:3] for line in found] == [("undefined", "INFO"), *(
        ("request-1", level) for level in ("INFO", "WARN", "ERROR", "DEBUG", "INFO", "INFO")
    )]  # fmt: skip
    assert [line[3] for line in found[:6]] == ["loading", "hello you { a: [ 1, 2 ] }", "careful", "oh", "d", "i"]
    assert found[6][3] == "x" * 200_000


# ---- response streaming --------------------------------------------------------------------------------------------

STREAM = """
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.http) {
    const metadata = { statusCode: 201, headers: { "x-a": "b" } };
    stream = awslambda.HttpResponseStream.from(stream, metadata);
  } else if (event.type) stream.setContentType(event.type);
  if (event.early) throw new RangeError("before");
  for (const part of event.parts ?? []) { stream.write(part); await wait(20); }
  if (event.late) throw new RangeError("midway");
  if (event.reject) { Promise.reject(new Error("lost")); await wait(5000); }
  if (!event.open) stream.end();
});
"""


def test_a_stream_goes_out_part_by_part(start: Start) -> None:
    instance = start(STREAM.replace("await wait(20)", "await wait(part === 'one' ? 300 : 0)"))
    request = instance.give({"parts": ["one", "two", {"three": 3}], "type": "text/plain"})
    head = instance.head()
    assert head.path == f"/2018-06-01/runtime/invocation/{request}/response"
    assert head.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert (head.headers["transfer-encoding"], head.headers["content-type"]) == ("chunked", "text/plain")
    assert instance.chunk() == b"one"  # it cannot have the others with it: they were not yet written
    rest = b""
    while (chunk := instance.chunk()) is not None:
        rest += chunk
    assert rest == b'two{"three":3}'
    assert instance.trailers() == {}
    instance.accept()
    again = instance.invoke({"parts": ["x"]})
    assert (again.body, again.headers["content-type"]) == (b"x", "application/octet-stream")


def test_an_http_stream_begins_with_its_metadata(start: Start) -> None:
    said = start(STREAM).invoke({"http": True, "parts": ["body"]})
    assert said.headers["content-type"] == "application/vnd.awslambda.http-integration-response"
    prelude, separator, body = said.body.partition(bytes(8))
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"x-a": "b"}}
    assert (len(separator), body) == (8, b"body")


def test_an_empty_stream_is_a_response(start: Start) -> None:
    instance = start(STREAM)
    assert instance.invoke({"http": True}).body.endswith(bytes(8))
    assert instance.invoke({}).body == b""


def test_a_stream_that_nobody_ends_ends_when_nothing_is_left_to_do(start: Start) -> None:
    instance = start(STREAM)
    assert instance.invoke({"open": True}).body == b""
    assert instance.invoke({"parts": ["x"]}).body == b"x"


def test_an_error_before_the_stream_begins_is_an_ordinary_error(start: Start) -> None:
    instance = start(STREAM)
    said = instance.invoke({"early": True})
    assert (said.path.rpartition("/")[2], said.json["errorType"]) == ("error", "RangeError")
    assert instance.invoke({"parts": ["x"]}).body == b"x"


def test_an_error_in_the_middle_follows_what_was_sent(start: Start) -> None:
    instance = start(STREAM)
    said = instance.invoke({"parts": ["one"], "late": True})
    assert (said.path.rpartition("/")[2], said.body) == ("response", b"one")
    assert said.headers["trailer"] == "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"
    assert said.trailers["lambda-runtime-function-error-type"] == "RangeError"
    assert failure_in(said.trailers)["errorMessage"] == "midway"
    assert instance.invoke({"parts": ["x"]}).body == b"x"


def test_a_lost_rejection_in_the_middle_follows_what_was_sent(start: Start) -> None:
    instance = start(STREAM)
    said = instance.invoke({"parts": ["one"], "reject": True})
    assert (said.body, failure_in(said.trailers)["errorMessage"]) == (b"one", "Error: lost")
    assert instance.ended() == 128


def test_a_pipeline_streams_a_file_larger_than_any_buffer(start: Start) -> None:
    instance = start(
        """
        const { pipeline } = require("node:stream/promises");
        const { Readable } = require("node:stream");
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
          const parts = (function* () { for (let i = 0; i < 200; i++) yield Buffer.alloc(100000, i); })();
          await pipeline(Readable.from(parts), stream);
        });
        """
    )
    body = instance.invoke().body
    assert len(body) == 20_000_000
    assert (body[0], body[-1]) == (0, 199)


def test_a_pipeline_whose_source_fails_is_an_error_behind_what_was_sent(start: Start) -> None:
    instance = start(
        """
        const { pipeline } = require("node:stream/promises");
        const { Readable } = require("node:stream");
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
          const parts = (async function* () { yield "one"; await null; throw new RangeError("dry") })();
          await pipeline(Readable.from(parts), stream);
        });
        """
    )
    said = instance.invoke()
    assert (said.body, failure_in(said.trailers)["errorType"]) == (b"one", "RangeError")
    assert failure_in(instance.invoke().trailers)["errorMessage"] == "dry"


def test_a_streaming_handler_is_async(start: Start) -> None:
    said = start("exports.handler = awslambda.streamifyResponse((event, stream) => {})").invoke()
    assert said.json["errorMessage"] == "Streaming does not support non-async handlers."
