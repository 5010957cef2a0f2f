"""Functions in Java on the platform: packages, handlers, context, errors, the end of an instance.

Longer than other files, as it holds the Java that it tests with.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.faas.platform import Platform
from tests.functional.java.services import ECHO, compiled, zipped
from tests.needs import needs

pytestmark = [needs("java"), pytest.mark.timeout(300)]

KINDS = [
    "process",
    pytest.param("namespaces", marks=needs("namespaces")),
    pytest.param("docker", marks=needs("docker")),
]
SOURCES = zipped({"shop/Echo.java": ECHO})
Create = Callable[..., str]


@pytest.fixture(scope="module", params=KINDS)
def boxed(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with Platform(isolation=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as running:
        yield running


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return compiled({"shop/Echo.java": ECHO}, tmp_path_factory.mktemp("echo"))


@pytest.fixture
def create(platform: Platform) -> Iterator[Create]:
    made: list[str] = []

    def create(method: str = "act", code: bytes = SOURCES, **settings: Any) -> str:
        handler = settings.pop("Handler", f"shop.Echo::{method}")
        made.append(platform.create(code, Runtime="java17", Handler=handler, **settings))
        return made[-1]

    yield create
    for name in made:
        platform.delete(name)


def failure(platform: Platform, name: str, event: Any = None) -> Any:
    answer = platform.invoke(name, event)
    assert answer["FunctionError"] == "Unhandled"
    return json.loads(answer["Body"])


def log_of(answer: Any) -> str:
    return base64.b64decode(answer["LogResult"]).decode()


# ---- in every sandbox ------------------------------------------------------------------------------------------------


def test_it_runs_boxed_and_limited(boxed: Platform) -> None:
    name = boxed.create(SOURCES, Runtime="java17", Handler="shop.Echo::act", MemorySize=256)
    cold, warm = boxed.invoke(name, {"do": "look"}, LogType="Tail"), boxed.invoke(name, {"do": "look"})
    assert [a["Headers"]["x-workbench-cold"] for a in (cold, warm)] == ["1", "0"]
    assert all(value > 0 for value in json.loads(cold["Headers"]["x-workbench-phases"]).values())
    seen = json.loads(warm["Body"])
    assert seen["calls"] == 2
    assert seen["env"] == f"AWS_Lambda_java{seen['java'].partition('.')[0]}"
    assert 100 <= seen["max"] <= 160, "the heap leaves room for what is beside it"
    assert boxed.value(name, {"do": "threads", "count": 100}) == 100
    gone = json.loads(boxed.invoke(name, {"do": "exit", "code": 7})["Body"])
    assert gone["errorType"] == "Runtime.ExitError"
    assert gone["errorMessage"].endswith("Runtime exited with error: exit status 7")
    assert boxed.value(name, {"do": "look"})["calls"] == 1
    boxed.delete(name)


def test_the_smallest_function_serves_it_too(boxed: Platform) -> None:
    name = boxed.create(SOURCES, Runtime="java17", Handler="shop.Echo::any", MemorySize=128)
    assert boxed.value(name, {"a": ["ü", 1, 2.5, None]}) == {"a": ["ü", 1, 2.5, None]}
    boxed.delete(name)


# ---- packages --------------------------------------------------------------------------------------------------------


def test_classes_in_the_root_a_jar_in_lib_and_a_jar_in_the_root(
    platform: Platform, create: Create, classes: dict[str, bytes]
) -> None:
    for code in (zipped(classes), zipped({"lib/shop.jar": zipped(classes)}), zipped({"shop.jar": zipped(classes)})):
        assert platform.value(create("text", code), "a") == "a!"


def test_sources_see_the_jars_of_their_package_and_bring_resources(
    platform: Platform, create: Create, tmp_path: Path
) -> None:
    tool = compiled(
        {"tool/Tool.java": 'package tool; public class Tool { public static String it() { return "!"; } }'}, tmp_path
    )
    main = """package app;
    public class App {
        public String run(String text) throws Exception {
            try (var in = App.class.getResourceAsStream("/words.txt")) {
                return text + tool.Tool.it() + new String(in.readAllBytes());
            }
        }
    }"""
    files = {
        "src/main/java/app/App.java": main,
        "src/main/resources/words.txt": "?",
        "src/test/java/app/AppTest.java": "this is no Java",
        "lib/tool.jar": zipped(tool),
    }
    assert platform.value(create(code=zipped(files), Handler="app.App::run"), "a") == "a!?"


def test_sources_that_do_not_compile_are_refused_with_the_compilers_words(platform: Platform, create: Create) -> None:
    with pytest.raises(ClientError, match=r"shop/Bad\.java:1: error: incompatible types") as caught:
        create(code=zipped({"shop/Bad.java": 'package shop; class Bad { int a = "b"; }'}))
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    name = create()
    with pytest.raises(ClientError, match="error: cannot find symbol"):
        platform.client.update_function_code(FunctionName=name, ZipFile=zipped({"A.java": "class A extends B { }"}))
    assert platform.value(name, {"do": "look"})["calls"] == 1


def test_new_sources_are_compiled_anew(platform: Platform, create: Create) -> None:
    name = create("text")
    changed = zipped({"shop/Echo.java": ECHO.replace('"!"', '"?"')})
    platform.client.update_function_code(FunctionName=name, ZipFile=changed)
    assert platform.value(name, "a") == "a?"


def test_annotation_processors_of_a_package_do_not_run(platform: Platform, create: Create, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    source = f"""import java.util.Set; import javax.annotation.processing.*;
    import javax.lang.model.element.TypeElement;
    public class Sly extends AbstractProcessor {{
        public Set<String> getSupportedAnnotationTypes() {{ return Set.of("*"); }}
        public boolean process(Set<? extends TypeElement> types, RoundEnvironment round) {{
            try {{ new java.io.FileWriter("{ran}").close(); }} catch (java.io.IOException error) {{ }}
            return false;
        }}
    }}"""
    service = "META-INF/services/javax.annotation.processing.Processor"
    code = zipped({**compiled({"Sly.java": source}, tmp_path), service: "Sly", "shop/Echo.java": ECHO})
    assert platform.value(create("text", code), "a") == "a!"
    assert not ran.exists()


# ---- handlers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "event", "result"),
    [
        ("text", "a", "a!"),
        ("number", 41, 42),
        ("number", "41", 42),
        ("sizes", ["SMALL", "LARGE", "unknown"], ["SMALL", "LARGE", None]),
        ("nothing", {}, None),
        ("line", {"text": "a", "numbers": [1, 2.5], "more": 1}, {"text": "a", "numbers": [1.0, 2.5]}),
        ("stream", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ("order", {}, {"quantity": 0, "lines": []}),
        (
            "order",
            {
                "sku": "A1",
                "quantity": 3,
                "price": 0.1,
                "urgent": True,
                "sizes": {"a": "LARGE"},
                "lines": [{"text": "x", "numbers": [1e300]}],
                "unknown": {},
            },
            {
                "sku": "A1",
                "quantity": 3,
                "price": 0.1,
                "urgent": True,
                "sizes": {"a": "LARGE"},
                "lines": [{"text": "x", "numbers": [1e300]}],
            },
        ),
    ],
)
def test_events_and_results_are_of_the_handlers_own_types(
    platform: Platform, create: Create, method: str, event: Any, result: Any
) -> None:
    assert platform.value(create(method), event if event != {} else None) == result


def test_a_static_method_without_an_event(platform: Platform, create: Create) -> None:
    name = create("fixed")
    assert [platform.value(name)["calls"] for _ in range(2)] == [1, 2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_any_json_comes_back_as_it_went_in(platform: Platform, create: Create) -> None:
    name = create("any")

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(JSON)
    def comes_back(value: Any) -> None:
        document = json.dumps(value).encode()
        answer = platform.client.invoke(FunctionName=name, Payload=document)["Payload"].read()
        back = json.loads(answer)
        assert back == value
        assert repr(back) == repr(value) or isinstance(value, float | list | dict), "as whole number or fraction too"

    comes_back()


@pytest.mark.parametrize("event", ['{"sku": {}}', '{"quantity": "many"}', '{"quantity": 99999999999}', "[1, 2]"])
def test_an_event_that_does_not_fit_is_told_as_aws_tells_it(platform: Platform, create: Create, event: str) -> None:
    body = failure(platform, create("order"), json.loads(event))
    assert (body["errorMessage"], body["errorType"]) == (
        "An error occurred during JSON parsing",
        "java.lang.RuntimeException",
    )
    assert body["stackTrace"] == []
    assert "Cannot make a value of type" in body["cause"]["errorMessage"]


def test_a_result_that_holds_itself_is_an_error_and_the_instance_lives(platform: Platform, create: Create) -> None:
    name = create()
    body = failure(platform, name, {"do": "circle"})
    assert body["errorMessage"] == "An error occurred during JSON serialization of response"
    assert platform.invoke(name, {"do": "look"})["Headers"]["x-workbench-cold"] == "0"


# ---- context ---------------------------------------------------------------------------------------------------------


def test_the_context_is_an_interface_of_the_service(platform: Platform, create: Create) -> None:
    name = create("context", MemorySize=512)
    context = {"custom": {"key": "välue"}, "env": {"locale": "de"}, "client": {"installation_id": "i-1"}}
    encoded = base64.b64encode(json.dumps(context).encode()).decode()
    answer = platform.invoke(name, {}, ClientContext=encoded, LogType="Tail")
    got = json.loads(answer["Body"])
    assert got["id"] == answer["ResponseMetadata"]["RequestId"]
    assert (got["name"], got["version"], got["memory"]) == (name, "$LATEST", 512)
    assert got["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert got["group"] == f"/aws/lambda/{name}"
    assert 0 < got["remaining"] <= 20_000
    assert (got["custom"], got["environment"], got["installation"]) == ({"key": "välue"}, {"locale": "de"}, "i-1")
    assert "logged\nas bytes\n" in log_of(answer)
    assert json.loads(platform.invoke(name)["Body"])["custom"] is None


def test_the_context_is_a_record_of_the_service(platform: Platform, create: Create) -> None:
    name = create("record")
    answer = platform.invoke(name)
    identity = answer["ResponseMetadata"]["RequestId"]
    assert json.loads(answer["Body"]) == {"awsRequestId": identity, "functionName": name, "memoryLimitInMB": 1769}


# What a service that uses AWS's own interfaces is compiled against; their names and methods are aws-lambda-java-core's.
AWS = {
    "RequestHandler": "public interface RequestHandler<I, O> { O handleRequest(I input, Context context); }",
    "RequestStreamHandler": "public interface RequestStreamHandler { void handleRequest(java.io.InputStream input, "
    "java.io.OutputStream output, Context context) throws java.io.IOException; }",
    "LambdaLogger": "public interface LambdaLogger { void log(String message); void log(byte[] message); "
    "default void log(String message, String level) { log(message); } }",
    "Context": "public interface Context { String getAwsRequestId(); String getFunctionName(); "
    "LambdaLogger getLogger(); int getRemainingTimeInMillis(); }",
}


def test_aws_interfaces_come_with_the_package(platform: Platform, create: Create, tmp_path: Path) -> None:
    package = "com.amazonaws.services.lambda.runtime"
    files = {f"{package.replace('.', '/')}/{n}.java": f"package {package}; {text}" for n, text in AWS.items()}
    service = f"""package app;
    import {package}.*;
    abstract class Base<E, R> implements RequestHandler<E, R> {{
        public R handleRequest(E event, Context context) {{
            context.getLogger().log("in " + context.getFunctionName());
            return answer(event);
        }}
        abstract R answer(E event);
    }}
    """
    app = f"""package app;
    import {package}.*;
    public class App extends Base<App.In, String> {{
        public static class In {{ public String text; }}
        String answer(In event) {{ return event.text + "!"; }}
    }}
    """
    stream = f"""package app;
    import {package}.*;
    import java.io.*;
    public class Stream implements RequestStreamHandler {{
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {{
            out.write(('"' + context.getFunctionName() + '"').getBytes());
        }}
    }}
    """
    made = compiled({**files, "app/Base.java": service, "app/App.java": app, "app/Stream.java": stream}, tmp_path)
    aws = {name: content for name, content in made.items() if name.startswith("com/")}
    code = zipped({**{n: c for n, c in made.items() if n not in aws}, "lib/aws-lambda-java-core.jar": zipped(aws)})
    name = create(code=code, Handler="app.App")
    answer = platform.invoke(name, {"text": "a"}, LogType="Tail")
    assert json.loads(answer["Body"]) == "a!"
    assert f"in {name}\n" in log_of(answer)
    name = create(code=code, Handler="app.Stream")
    assert platform.value(name) == name


# ---- errors ----------------------------------------------------------------------------------------------------------


def test_an_exception_is_told_as_aws_tells_it(platform: Platform, create: Create) -> None:
    name = create()
    answer = platform.invoke(name, {"do": "raise"}, LogType="Tail")
    body = json.loads(answer["Body"])
    line = body["stackTrace"][0].rpartition(":")[2].rstrip(")")
    assert int(line) > 0
    at = f"shop.Echo.act(Echo.java:{line})"
    assert body == {
        "errorMessage": "broken",
        "errorType": "java.lang.RuntimeException",
        "stackTrace": [at],
        "cause": {
            "errorMessage": "the cause",
            "errorType": "java.lang.IllegalStateException",
            "stackTrace": [f"shop.Echo.act(Echo.java:{int(line) - 2})"],
        },
    }
    log = log_of(answer)
    assert f"broken: java.lang.RuntimeException\njava.lang.RuntimeException: broken\n\tat {at}\nCaused by: " in log
    assert platform.invoke(name, {"do": "look"})["Headers"]["x-workbench-cold"] == "0", "the instance lives on"
    silent = failure(platform, name, {"do": "silent"})
    assert (silent["errorMessage"], silent["errorType"]) == ("java.lang.NullPointerException",) * 2


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("shop.None::act", "java.lang.ClassNotFoundException", "Class not found: shop.None"),
        ("shop.Echo::none", "java.lang.NoSuchMethodException", "No public method named none with appropriate"),
        ("shop.Echo", "java.lang.NoSuchMethodException", "No public method named handleRequest with appropriate"),
    ],
)
def test_a_handler_that_is_not_there(
    platform: Platform, create: Create, handler: str, error_type: str, message: str
) -> None:
    body = failure(platform, create(Handler=handler))
    assert body["errorType"] == error_type
    assert body["errorMessage"].startswith(message)


@pytest.mark.parametrize(
    ("text", "error_type", "message"),
    [
        ('static int a = Integer.parseInt("x");', "java.lang.NumberFormatException", "Error loading class app.Bad: "),
        ('public Bad() { throw new IllegalStateException("no"); }', "java.lang.IllegalStateException", "no"),
    ],
)
def test_a_class_that_cannot_be_loaded_fails_in_init(
    platform: Platform, create: Create, text: str, error_type: str, message: str
) -> None:
    source = f"package app; public class Bad {{ {text} public Object run(Object o) {{ return o; }} }}"
    name = create(code=zipped({"app/Bad.java": source}), Handler="app.Bad::run")
    answer = platform.invoke(name, LogType="Tail")
    body = json.loads(answer["Body"])
    assert body["errorType"] == error_type
    assert body["errorMessage"].startswith(message)
    assert any("app.Bad" in line for line in body["stackTrace"])
    assert error_type in log_of(answer)


@pytest.mark.parametrize(
    ("do", "error_type"),
    [("fill", "java.lang.OutOfMemoryError"), ("deep", "java.lang.StackOverflowError")],
)
def test_an_error_of_the_virtual_machine_is_told_and_ends_the_instance(
    platform: Platform, create: Create, do: str, error_type: str
) -> None:
    name = create(MemorySize=256)
    assert platform.value(name, {"do": "look"})["calls"] == 1
    assert failure(platform, name, {"do": do})["errorType"] == error_type
    assert platform.value(name, {"do": "look"})["calls"] == 1, "another instance"


def test_exit_without_a_status_is_an_exit_without_a_reason(platform: Platform, create: Create) -> None:
    body = failure(platform, create(), {"do": "exit", "code": 0})
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith("Runtime exited without providing a reason")


def test_what_is_printed_is_in_the_log_tail_of_its_invocation(platform: Platform, create: Create) -> None:
    answer = platform.invoke(create(), {"do": "print"}, LogType="Tail")
    assert "out without end, err ü\n" in log_of(answer)
