"""The platform as seen from outside: metrics for Prometheus, and an instance's changes of state as they happen."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from prometheus_client.parser import text_string_to_metric_families
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from tests.functional.faas.platform import Platform, eventually


def metrics(platform: Platform) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = platform.raw("GET", "/_workbench/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_was_done(platform: Platform, function: str) -> None:
    for _ in range(3):
        platform.invoke(function)
    platform.invoke(function, {"raise": "no"})
    found = metrics(platform)
    (instance,) = platform.instances(function)
    mine = ("function", function)

    def value(name: str, *labels: tuple[str, str]) -> float:
        return found[name, tuple(sorted((mine, *labels)))]

    assert value("workbench_invocations_total", ("outcome", "success"), ("version", "$LATEST")) == 3
    assert value("workbench_invocations_total", ("outcome", "error"), ("version", "$LATEST")) == 1
    assert value("workbench_cold_starts_total", ("technique", instance["technique"])) == 1
    assert value("workbench_duration_seconds_count") == 4
    assert value("workbench_instance_invocations_total", ("instance", instance["instance_id"])) == 4
    assert value("workbench_billed_milliseconds_total") >= 4


def test_a_throttle_is_counted_with_its_reason(platform: Platform, function: str) -> None:
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    try:
        platform.invoke(function)
    except platform.client.exceptions.TooManyRequestsException:
        pass
    reason = ("reason", "ReservedFunctionConcurrentInvocationLimitExceeded")
    assert metrics(platform)["workbench_throttles_total", (("function", function), reason)] == 1


def test_prometheus_may_come_with_a_password_but_nobody_without(platform: Platform) -> None:
    def get(password: str) -> int:
        pair = base64.b64encode(f"{platform.ready['access_key_id']}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {pair}"}
        return int(platform.raw("GET", "/_workbench/metrics", headers=headers, signed=False).status_code)

    assert get(platform.ready["secret_access_key"]) == 200
    assert get("guess") == 403
    assert platform.raw("GET", "/_workbench/metrics", signed=False).status_code == 403


def test_changes_of_state_are_followed_as_they_happen(platform: Platform, function: str) -> None:
    platform.invoke(function)
    url = f"{platform.endpoint}/_workbench/functions/{function}/events?follow"
    request = AWSRequest("GET", url)
    credentials = Credentials(platform.ready["access_key_id"], platform.ready["secret_access_key"])
    SigV4Auth(credentials, "lambda", platform.ready["region"]).add_auth(request)
    answer = PoolManager().request("GET", url, headers=dict(request.headers), preload_content=False)
    seen: list[dict[str, Any]] = []

    def read() -> None:
        rest = b""
        with contextlib.suppress(HTTPError):  # our own end of it
            for part in answer.stream(256):
                *lines, rest = (rest + part).split(b"\n")
                seen.extend(json.loads(line) for line in lines)

    reader = threading.Thread(target=read)
    reader.start()
    eventually(lambda: [e["state"] for e in seen if e][:2] == ["starting", "idle"])
    (instance,) = platform.instances(function)
    platform.ask("DELETE", f"functions/{function}/instances/{instance['instance_id']}")
    eventually(lambda: seen and seen[-1].get("state") == "failed")
    assert {e["instance_id"] for e in seen} == {instance["instance_id"]}
    assert [e["at_s"] for e in seen] == sorted(e["at_s"] for e in seen)
    answer.shutdown()
    reader.join(10)
    assert not reader.is_alive()
