"""Invoke: answers, errors, limits, logs, and which instance serves what."""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform, alive, eventually, zipped

REPORT = re.compile(
    r"REPORT RequestId: (?P<id>[0-9a-f-]{36})\tDuration: (?P<duration>\d+\.\d\d) ms\t"
    r"Billed Duration: (?P<billed>\d+) ms\t"
    r"Memory Size: 1769 MB\tMax Memory Used: (?P<used>\d+) MB\t(?P<init>Init Duration: \d+\.\d\d ms\t)?"
)


def log_of(answer: Any) -> list[str]:
    return base64.b64decode(answer["LogResult"]).decode().splitlines()


def test_the_handler_gets_event_and_context(platform: Platform) -> None:
    name = platform.create(Environment={"Variables": {"GREETING": "hello"}})
    context = base64.b64encode(json.dumps({"custom": {"key": "välue"}}).encode()).decode()
    got = platform.value(name, {"a": [1, None, "ü"]}, ClientContext=context)
    assert got["event"] == {"a": [1, None, "ü"]}
    assert (got["variable"], got["name"], got["memory"]) == ("hello", name, "1769")
    assert got["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert 0 < got["remaining"] <= 20_000
    assert got["custom"] == {"key": "välue"}
    platform.delete(name)


def test_a_request_without_payload_is_an_empty_event(platform: Platform, function: str) -> None:
    assert json.loads(platform.client.invoke(FunctionName=function)["Payload"].read())["event"] == {}


def test_one_after_the_other_share_an_instance_and_two_at_once_do_not(platform: Platform, function: str) -> None:
    first, second = platform.invoke(function), platform.invoke(function)
    assert (first["Headers"]["x-workbench-cold"], second["Headers"]["x-workbench-cold"]) == ("1", "0")
    assert [json.loads(a["Body"])["count"] for a in (first, second)] == [1, 2]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: platform.value(function, {"sleep": 1.0}), range(2)))
    assert len({answer["me"] for answer in both}) == 2
    assert len(platform.instances(function)) == 2


def test_a_cold_answer_carries_its_phases_and_log_to_the_tab(platform: Platform, function: str) -> None:
    answer = platform.invoke(function, {"print": "hello\nworld"}, LogType="Tail")
    phases = json.loads(answer["Headers"]["x-workbench-phases"])
    assert set(phases) == {"sandbox_ms", "runtime_init_ms", "function_init_ms", "handler_ms"}
    assert all(value > 0 for value in phases.values())
    start, *printed, end, report = log_of(answer)
    request = answer["ResponseMetadata"]["RequestId"]
    assert start == f"START RequestId: {request} Version: $LATEST"
    assert printed == ["hello", "world"]
    assert end == f"END RequestId: {request}"
    match = REPORT.fullmatch(report)
    assert match
    assert match["id"] == request
    assert match["init"]
    assert answer["Headers"]["x-workbench-billed-ms"] == match["billed"]
    assert int(match["used"]) > 0
    warm = REPORT.fullmatch(log_of(platform.invoke(function, LogType="Tail"))[-1])
    assert warm
    assert not warm["init"]
    assert float(warm["duration"]) <= int(warm["billed"]) <= float(warm["duration"]) + 1


def test_the_log_tail_is_the_last_4_kb(platform: Platform, function: str) -> None:
    answer = platform.invoke(function, {"print": "x" * 10_000}, LogType="Tail")
    assert len(base64.b64decode(answer["LogResult"])) == 4096
    instance = answer["Headers"]["x-workbench-instance"]
    assert "x" * 10_000 in platform.ask("GET", f"functions/{function}/logs/{instance}")["log"]


def test_an_exception_is_the_functions_error(platform: Platform, function: str) -> None:
    answer = platform.invoke(function, {"raise": "broken"}, LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    body = json.loads(answer["Body"])
    assert (body["errorType"], body["errorMessage"]) == ("ValueError", "broken")
    assert any("app.py" in line for line in body["stackTrace"])
    assert any(line.startswith("[ERROR] ValueError: broken") for line in log_of(answer))
    assert platform.invoke(function)["Headers"]["x-workbench-cold"] == "0", "the instance lives on"


def test_a_timeout_ends_the_instance_and_the_next_request_gets_another(platform: Platform) -> None:
    name = platform.create(Timeout=1)
    before = platform.value(name)
    answer = platform.invoke(name, {"sleep": 30}, LogType="Tail")
    request = answer["ResponseMetadata"]["RequestId"]
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Body"]) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds",
    }
    assert any(line.endswith(f"Z {request} Task timed out after 1.00 seconds") for line in log_of(answer))
    assert platform.value(name)["me"] != before["me"]
    platform.delete(name)


@pytest.mark.parametrize(
    ("status", "why"),
    [(3, "Runtime exited with error: exit status 3"), (0, "Runtime exited without providing a reason")],
)
def test_an_exit_is_the_functions_error(platform: Platform, function: str, status: int, why: str) -> None:
    answer = platform.invoke(function, {"exit": status})
    body = json.loads(answer["Body"])
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"] == f"RequestId: {answer['ResponseMetadata']['RequestId']} Error: {why}"
    assert platform.value(function)["count"] == 1


def test_memory_beyond_the_limit_kills_the_instance(platform: Platform) -> None:
    name = platform.create(MemorySize=256)
    platform.value(name)
    enforced = platform.instances(name)[0]["enforced"]
    if "memory" not in enforced:
        pytest.skip("this sandbox does not enforce memory here")
    answer = platform.invoke(name, {"eat_mb": 600})
    body = json.loads(answer["Body"])
    assert body["errorType"] == "Runtime.ExitError"
    assert body["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert platform.value(name, {"eat_mb": 20}) == 20 * 2**20
    platform.delete(name)


@pytest.mark.parametrize(
    ("files", "handler", "kind", "words"),
    [
        ({"app": "import nothing_of_that_name"}, "app.handler", "Runtime.ImportModuleError", "nothing_of_that_name"),
        ({"app": "x = 1"}, "app.handler", "Runtime.HandlerNotFound", "missing on module"),
        ({"app": "def broken(:"}, "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error"),
        ({"app": "1 / 0"}, "app.handler", "ZeroDivisionError", "division by zero"),
    ],
)
def test_a_service_that_cannot_be_loaded_says_why(
    platform: Platform, files: dict[str, str], handler: str, kind: str, words: str
) -> None:
    name = platform.create(zipped(**files), Handler=handler)
    for _ in range(2):
        answer = platform.invoke(name, LogType="Tail")
        assert answer["FunctionError"] == "Unhandled"
        body = json.loads(answer["Body"])
        assert body["errorType"] == kind
        assert words in body["errorMessage"]
        assert any(words in line for line in log_of(answer))
    eventually(lambda: not platform.instances(name))
    platform.delete(name)


def test_an_init_that_exits_says_so(platform: Platform) -> None:
    name = platform.create(zipped(app="import os\nprint('going')\nos._exit(5)"))
    answer = platform.invoke(name, LogType="Tail")
    assert json.loads(answer["Body"])["errorMessage"].endswith("Runtime exited with error: exit status 5")
    assert "going" in log_of(answer)
    platform.delete(name)


def test_beyond_reserved_concurrency_is_throttled(platform: Platform, function: str) -> None:
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(platform.value, function, {"sleep": 3})
        eventually(lambda: [i for i in platform.instances(function) if i["state"] in ("starting", "busy")])
        with pytest.raises(ClientError) as caught:
            platform.invoke(function)
        slow.result()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert response["retryAfterSeconds"] == "1"
    for _ in range(20):  # one after the other is never too many
        platform.value(function)


def test_a_forced_cold_start_answers_from_a_new_instance_which_replaces_the_old(
    platform: Platform, function: str
) -> None:
    old = platform.value(function)["me"]
    headers = {"X-Workbench-Cold": "force", "Content-Type": "application/json"}
    answer = platform.raw("POST", f"/2015-03-31/functions/{function}/invocations", b"{}", headers)
    assert answer.headers["X-Workbench-Cold"] == "1"
    new = json.loads(answer.content)["me"]
    assert new != old
    eventually(lambda: len(platform.instances(function)) == 1)
    assert platform.value(function)["me"] == new


def test_a_crashed_instance_is_replaced(platform: Platform, function: str) -> None:
    first = platform.invoke(function)
    instance = first["Headers"]["x-workbench-instance"]
    platform.ask("DELETE", f"functions/{function}/instances/{instance}")
    eventually(lambda: not platform.instances(function))
    assert platform.invoke(function)["Headers"]["x-workbench-instance"] != instance
    states = [e["state"] for e in platform.ask("GET", f"functions/{function}/events")["events"]]
    assert states[:4] == ["starting", "idle", "busy", "idle"]
    assert "failed" in states


def test_an_idle_instance_is_frozen_and_wakes(platform: Platform, function: str) -> None:
    pid = platform.value(function)["pid"]
    eventually(lambda: platform.instances(function)[0]["state"] == "frozen")
    assert platform.value(function)["pid"] == pid


def test_payload_limits(platform: Platform, function: str) -> None:
    most = json.dumps({"x": "y" * (6 * 2**20 - 9)}).encode()
    assert len(most) == 6 * 2**20
    answer = platform.client.invoke(FunctionName=function, Payload=most)
    # It went in; with what the handler adds it is too large to come out.
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
    for kind, payload in (("RequestResponse", most + b" "), ("Event", b'"' + b"x" * 2**20 + b'"')):
        with pytest.raises(ClientError) as caught:
            platform.client.invoke(FunctionName=function, Payload=payload, InvocationType=kind)
        assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert len(platform.value(function, {"big": 5 * 2**20})) == 5 * 2**20


def test_after_a_response_that_is_too_large_the_same_instance_goes_on(platform: Platform, function: str) -> None:
    pid = platform.value(function)["pid"]
    for _ in range(3):
        answer = platform.client.invoke(FunctionName=function, Payload=json.dumps({"big": 7 * 2**20}).encode())
        assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"
        assert platform.value(function)["pid"] == pid


def test_a_dry_run_runs_nothing(platform: Platform, function: str) -> None:
    answer = platform.client.invoke(FunctionName=function, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert platform.instances(function) == []


def test_a_deleted_function_leaves_no_instance(platform: Platform) -> None:
    name = platform.create()
    pid = platform.value(name)["pid"]
    platform.delete(name)
    eventually(lambda: not alive(pid))
