"""The HTTP hosts, spoken to in bytes: what they take, what they refuse, what they make of a handler.

Longer than other files: one protocol, and each case of it a few lines of bytes that are best read side by side.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.sandboxes.boxes import Marks, eventually, output
from tests.needs import needs
from workbench.faas.functions import java_code
from workbench.isolation import java_tree, process
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Resources

DIRECT = "/2015-03-31/functions/function/invocations"
LIMIT = 6 * 1024 * 1024
SERVICE = """
import decimal
def handler(event, context):
    if isinstance(event, str):
        return len(event)
    do = event.get("do") or event.get("queryStringParameters", {}).get("do")
    if do == "raise":
        raise KeyError("no such order")
    if do == "leave":
        raise SystemExit(3)
    if do == "set":
        return {1, 2}
    if do == "decimal":
        return {"price": decimal.Decimal("1.50")}
    if do == "context":
        left = context.get_remaining_time_in_millis()
        return {"left": left, "name": context.function_name, "arn": context.invoked_function_arn,
                "memory": context.memory_limit_in_mb, "id": context.aws_request_id}
    if event.get("rawPath") == "/give":
        import json
        return json.loads(event["body"])
    return event
"""


NODE = """
exports.handler = async (event, context) => {
  if (typeof event === "string") return event.length;
  const what = event?.do ?? event?.queryStringParameters?.do;
  if (what === "raise") throw new RangeError("no such order");
  if (what === "leave") throw "a word";
  if (what === "set") return 10n;
  if (what === "context") {
    return { left: context.getRemainingTimeInMillis(), name: context.functionName, arn: context.invokedFunctionArn,
             memory: context.memoryLimitInMB, id: context.awsRequestId };
  }
  if (event?.rawPath === "/give") return JSON.parse(event.body);
  return event;
};
"""


JAVA = """
package shop;
import java.util.*;

public class App {
    public interface Context {
        String getAwsRequestId(); String getFunctionName(); String getInvokedFunctionArn();
        String getMemoryLimitInMB(); int getRemainingTimeInMillis();
    }

    public Object handler(Object given, Context context) {
        if (given instanceof String text) return text.length();
        if (!(given instanceof Map<?, ?> event)) return given;
        Object what = event.get("do");
        if (event.get("queryStringParameters") instanceof Map<?, ?> query) what = query.get("do");
        if ("raise".equals(what)) throw new NoSuchElementException("no such order");
        if ("leave".equals(what)) throw new AssertionError("a word");
        if ("set".equals(what)) { Map<String, Object> circle = new HashMap<>(); circle.put("", circle); return circle; }
        if ("context".equals(what)) {
            return Map.of("left", context.getRemainingTimeInMillis(), "name", context.getFunctionName(), "arn",
                    context.getInvokedFunctionArn(), "memory", context.getMemoryLimitInMB(), "id",
                    context.getAwsRequestId());
        }
        if ("/give".equals(event.get("rawPath"))) return Json.parse(event.get("body").toString().getBytes());
        return event;
    }
}
"""


def java_files() -> dict[str, str]:
    """A service of the JDK alone, which has no JSON: it is lent the host's own."""
    text = (Path(java_tree.__file__).parent.parent / "runtimes/java/host/workbench/host/Json.java").read_text()
    return {"App.java": JAVA, "Json.java": text.replace("package workbench.host;", "package shop;")}


HANDLERS = {"python": "app.handler", "nodejs": "app.handler", "java": "shop.App::handler"}


@pytest.fixture(
    scope="module",
    params=["python", pytest.param("nodejs", marks=needs("node")), pytest.param("java", marks=needs("java"))],
)
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def host(language: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    code = tmp_path_factory.mktemp("code")
    (code / "app.py").write_text(SERVICE)
    (code / "app.js").write_text(NODE)
    if language == "java":
        for file, text in java_files().items():
            (code / file).write_text(text)
        java_code.compile_sources(code)
    environment = {"AWS_LAMBDA_FUNCTION_NAME": "shop"}
    name = f"host-{language}-{os.getpid()}"
    spec = SandboxSpec(name, "http_host.py", HANDLERS[language], code, Resources(), environment, language=language)
    with contextlib.closing(process.launch(spec)) as box:
        Marks(box.control).until("function_ready")
        yield box


@contextlib.contextmanager
def connected(host: Sandbox) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", int(host.address.rpartition(":")[2])), timeout=60) as client:
        yield client


def answer_of(client: socket.socket, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            raise EOFError(data)
        data += more
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while not head and len(body) < int(headers.get("content-length", 0)):
        body += client.recv(65536)
    return int(first.split()[1]), headers, body


def say(host: Sandbox, data: bytes, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    with connected(host) as client:
        client.sendall(data)
        return answer_of(client, head=head)


def direct(host: Sandbox, event: Any) -> tuple[int, dict[str, str], Any]:
    body = json.dumps(event).encode()
    head = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    status, headers, answer = say(host, head + body)
    return status, headers, json.loads(answer)


def give(host: Sandbox, result: Any) -> tuple[int, dict[str, str], bytes]:
    """The HTTP answer made of a handler that returns `result`."""
    body = json.dumps(result).encode()
    head = "POST /give HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return say(host, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def test_health(host: Sandbox) -> None:
    status, headers, body = say(host, b"GET /_workbench/health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, json.loads(body), headers["x-workbench-instance"]) == (200, {"status": "ok"}, host.name)


def test_direct_calls_tell_who_answered_and_how_long_it_took(host: Sandbox) -> None:
    status, headers, answer = direct(host, {"a": [1, "ü"]})
    assert (status, answer) == (200, {"a": [1, "ü"]})
    assert headers["x-workbench-instance"] == host.name
    assert float(headers["x-workbench-handler-ms"]) >= 0


def test_the_context_is_lambdas(host: Sandbox) -> None:
    _, headers, context = direct(host, {"do": "context"})
    assert 0 < context["left"] <= 30_000
    assert (context["name"], context["memory"]) == ("shop", "1769")
    assert context["arn"].endswith(":function:shop")
    assert context["id"] == headers["x-amzn-requestid"]


ERRORS = {
    "python": {
        "raise": ("KeyError", "no such order"),
        "leave": ("SystemExit", "3"),
        "set": ("Runtime.MarshalError", "set"),
    },
    "nodejs": {
        "raise": ("RangeError", "no such order"),
        "leave": ("string", "a word"),
        "set": ("Error", "Unable to stringify response body"),
    },
    "java": {
        "raise": ("java.util.NoSuchElementException", "no such order"),
        "leave": ("java.lang.AssertionError", "a word"),
        "set": ("java.lang.RuntimeException", "JSON serialization"),
    },
}


@pytest.mark.parametrize("do", ["raise", "leave", "set"])
def test_an_error_of_the_handler_is_told_as_lambda_tells_it(host: Sandbox, language: str, do: str) -> None:
    error_type, said = ERRORS[language][do]
    status, headers, answer = direct(host, {"do": do})
    assert (status, headers["x-amz-function-error"]) == (200, "Unhandled")
    assert answer["errorType"] == error_type
    assert said in answer["errorMessage"]
    if do == "raise":
        traces = {
            "python": ("stackTrace", 'app.py", line'),
            "nodejs": ("trace", "app.js:"),
            "java": ("stackTrace", "App.java:"),
        }
        field, place = traces[language]
        assert any(place in line for line in answer[field][:2])
    assert direct(host, {})[0] == 200, "the host goes on"


def test_an_error_is_printed(host: Sandbox, language: str) -> None:
    direct(host, {"do": "raise"})
    words = {
        "java": "\tat shop.App.handler",
        "python": "[ERROR] KeyError",
        "nodejs": '\tERROR\tInvoke Error \t{"errorType":"RangeError"',
    }
    assert eventually(lambda: words[language] in output(host))


@pytest.mark.parametrize("language", ["python"], indirect=True)
def test_decimals_are_written_as_the_runtime_client_does(host: Sandbox) -> None:
    assert direct(host, {"do": "decimal"})[2] == {"price": 1.5}


def test_a_direct_call_that_is_not_json_is_refused(host: Sandbox) -> None:
    head = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    status, headers, body = say(host, head.encode() + b"{no}")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    assert b"json" in body


def test_an_http_request_becomes_an_api_gateway_event(host: Sandbox) -> None:
    request = (
        b"PUT /orders/caf%C3%A9?a=1&a=2&b=%20 HTTP/1.1\r\nHost: shop.test\r\nCookie: k=v; w=x\r\n"
        b"X-Two: 1\r\nX-Two: 2\r\nUser-Agent: me\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    )
    event = json.loads(say(host, request)[2])
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/orders/café", "a=1&a=2&b=%20")
    assert event["queryStringParameters"] == {"a": "1,2", "b": " "}
    assert (event["cookies"], event["headers"]["x-two"]) == (["k=v", "w=x"], "1,2")
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    http = event["requestContext"]["http"]
    assert (http["method"], http["path"], http["userAgent"]) == ("PUT", "/orders/café", "me")
    assert http["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["domainName"] == "shop.test"


def test_a_binary_body_arrives_in_base64(host: Sandbox) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\n"
    event = json.loads(say(host, head + b"\xff\x00\x01")[2])
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\x00\x01", True)


def test_a_response_with_a_status_code_is_the_whole_response(host: Sandbox) -> None:
    made = {
        "statusCode": 201,
        "headers": {"Content-Type": "text/html", "X-N": 5, "X-B": True, "Content-Length": "999"},
        "cookies": ["a=b"],
        "body": base64.b64encode(b"\x00\xff").decode(),
        "isBase64Encoded": True,
    }
    status, headers, body = give(host, made)
    assert (status, body) == (201, b"\x00\xff")
    assert (headers["content-type"], headers["x-n"], headers["x-b"], headers["set-cookie"]) == (
        "text/html", "5", "true", "a=b",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "body"),
    [({"total": 3}, b'{"total": 3}'), ([1, 2], b"[1, 2]"), (None, b"null"), ("hi", b"hi"), (7, b"7")],
)
def test_any_other_result_is_a_json_body(host: Sandbox, result: Any, body: bytes) -> None:
    status, headers, answer = give(host, result)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert answer.replace(b" ", b"") == body.replace(b" ", b"")


@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": None},
        {"statusCode": 200, "body": {"not": "a string"}},
        {"statusCode": 200, "headers": {"X": "a\r\nInjected: 1"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": ["X", "Y"]},
        {"statusCode": 200, "body": "***", "isBase64Encoded": True},
    ],
)
def test_a_malformed_response_is_a_502(host: Sandbox, result: Any) -> None:
    status, headers, body = give(host, result)
    assert (status, json.loads(body)) == (502, {"message": "Internal Server Error"})
    assert "injected" not in headers


def test_a_handler_error_over_http_is_a_502(host: Sandbox) -> None:
    status, headers, _ = say(host, b"GET /?do=raise HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (status, headers["x-amz-function-error"]) == (502, "Unhandled")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(result=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | (
    st.dictionaries(st.sampled_from(["statusCode", "headers", "body", "cookies", "isBase64Encoded", "x"]), inner)
)))  # fmt: skip
def test_whatever_a_handler_returns_one_whole_answer_comes(host: Sandbox, result: Any) -> None:
    assert give(host, result)[0] in range(200, 600)


def test_requests_follow_one_another_on_a_connection_also_unasked(host: Sandbox) -> None:
    request = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n".encode() + b'{"a":1}'
    with connected(host) as client:
        for _ in range(3):
            client.sendall(request)
            assert json.loads(answer_of(client)[2]) == {"a": 1}
        client.sendall(request * 2)
        seen = b""
        while seen.replace(b" ", b"").count(b'{"a":1}') < 2:
            seen += client.recv(65536)


@pytest.mark.parametrize(
    ("version", "option", "stays"),
    [("1.1", "", True), ("1.1", "Connection: close\r\n", False), ("1.0", "", False),
     ("1.0", "Connection: keep-alive\r\n", True)],
)  # fmt: skip
def test_a_connection_is_kept_when_the_client_wants_it(host: Sandbox, version: str, option: str, stays: bool) -> None:
    request = f"GET /_workbench/health HTTP/{version}\r\nHost: x\r\n{option}\r\n".encode()
    with connected(host) as client:
        client.sendall(request)
        assert answer_of(client)[0] == 200
        if stays:
            client.sendall(request)
            assert answer_of(client)[0] == 200
        else:
            assert client.recv(1) == b""


def test_a_chunked_body(host: Sandbox) -> None:
    chunks = b'4;x=y\r\n{"a"\r\n3\r\n:1}\r\n0\r\nTrailer: t\r\n\r\n'
    head = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with connected(host) as client:
        for byte in head + chunks:  # a byte at a time: nothing may depend on how it arrives
            client.sendall(bytes([byte]))
        assert json.loads(answer_of(client)[2]) == {"a": 1}


def test_a_client_that_waits_to_send_its_body_is_told_to_go_on(host: Sandbox) -> None:
    head = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"
    with connected(host) as client:
        client.sendall(head.encode())
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b'{"a":1}')
        assert json.loads(answer_of(client)[2]) == {"a": 1}


def test_head_has_the_headers_only(host: Sandbox) -> None:
    request = b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\nGET /_workbench/health HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(host) as client:
        client.sendall(request)
        data = b""
        while b'{"status":"ok"}' not in data:
            data += client.recv(65536)
    assert int(data.partition(b"Content-Length: ")[2].split(b"\r\n")[0]) > 0
    assert data.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 200"), "no body between the two answers"


def test_six_megabytes_are_taken_and_no_more(host: Sandbox) -> None:
    body = b'"' + b"x" * (LIMIT - 2) + b'"'
    head = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: "
    assert say(host, f"{head}{LIMIT}\r\n\r\n".encode() + body)[0] == 200
    assert say(host, f"{head}{LIMIT + 1}\r\n\r\n".encode() + body + b" ")[0] == 413
    chunked = f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{LIMIT + 1:x}\r\n"
    assert say(host, chunked.encode() + b"x" * (LIMIT + 1))[0] == 413


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: a-miracle\r\n\r\na", 417),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_not_clearly_a_request_is_refused(host: Sandbox, request_bytes: bytes, status: int) -> None:
    with connected(host) as client:
        client.sendall(request_bytes)
        seen, headers, body = answer_of(client)
        assert seen == status
        assert json.loads(body)["message"]
        assert headers["connection"] == "close"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=300) | st.text("GET /PHOST1.:\r\n0aContent-Length", max_size=200).map(str.encode))
def test_no_bytes_bring_it_down(host: Sandbox, noise: bytes) -> None:
    with connected(host) as client:
        client.sendall(noise)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    assert host.exit_code() is None
    assert say(host, b"GET /_workbench/health HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    with contextlib.ExitStack() as stack:

        def start(text: str, handler: str = "app.handler", name: str = "fresh", **more: Any) -> Sandbox:
            (tmp_path / "app.py").write_text(text)
            spec = SandboxSpec(f"{name}-{os.getpid()}", "http_host.py", handler, tmp_path, Resources(), **more)
            return stack.enter_context(contextlib.closing(process.launch(spec)))

        yield start


def test_exactly_one_answer_of_an_instance_is_cold(fresh: Any) -> None:
    box = fresh("def handler(event, context):\n    return 1\n")
    Marks(box.control).until("function_ready")
    assert "x-workbench-cold" not in say(box, b"GET /_workbench/health HTTP/1.1\r\nHost: x\r\n\r\n")[1]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: direct(box, {})[1].get("x-workbench-cold"), range(24)))
    assert answers.count("1") == 1


@pytest.mark.parametrize(
    ("text", "handler", "error_type", "said"),
    [
        ("import not_there\n", "app.handler", "Runtime.ImportModuleError", "not_there"),
        ("def handler(:\n", "app.handler", "Runtime.UserCodeSyntaxError", "app.py"),
        ("x = 1\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing"),
        ("handler = 3\n", "app.handler", "Runtime.HandlerNotFound", "handler"),
        ("1 / 0\n", "app.handler", "ZeroDivisionError", "division"),
        ("raise SystemExit(5)\n", "app.handler", "SystemExit", "5"),
    ],
)
def test_a_service_that_cannot_be_loaded_says_why(
    fresh: Any, text: str, handler: str, error_type: str, said: str
) -> None:
    box = fresh(text, handler)
    marks = Marks(box.control)
    error: dict[str, Any] = {}
    while (mark := marks.next()) is not None:
        error = mark.get("error", {})
    assert error["errorType"] == error_type
    assert said in error["errorMessage"]
    assert eventually(lambda: box.exit_code() == 1)


def test_requests_before_it_is_ready_wait(fresh: Any) -> None:
    box = fresh("import time\ntime.sleep(0.5)\ndef handler(event, context):\n    return 'ready'\n")
    with urllib.request.urlopen(f"{box.address}{DIRECT}", data=b"{}", timeout=60) as answer:
        assert json.load(answer) == "ready"


def test_a_thread_too_many_is_refused_and_the_rest_go_on(fresh: Any) -> None:
    service = "import threading\ngo = threading.Event()\ndef handler(event, context):\n    go.wait(60)\n    return 1\n"
    box = fresh(service, pids_limit=16)
    Marks(box.control).until("function_ready")
    if "pids" not in box.enforced:
        pytest.skip("this machine has no pids control group")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(box)) for _ in range(24)]
        for client in clients:
            client.sendall(f"POST {DIRECT} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        refused, headers, _ = answer_of(clients[-1])
        assert (refused, headers["retry-after"]) == (503, "1")
    assert box.exit_code() is None
