"""Asynchronous invocations survive everything; nothing of a platform survives its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.functional.faas.platform import Platform, alive, eventually


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def send(platform: Platform, name: str, event: dict[str, object]) -> None:
    answer = platform.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""


def test_an_event_is_delivered_once_when_it_succeeds(platform: Platform, function: str, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    for number in range(5):
        send(platform, function, {"append": str(file), "line": f"n{number}"})
    eventually(lambda: len(lines(file)) == 5)
    eventually(lambda: platform.ask("GET", "health")["queued_events"] == 0)
    assert sorted(lines(file)) == [f"n{n}" for n in range(5)]


def test_a_failing_event_is_tried_three_times(platform: Platform, function: str, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    send(platform, function, {"append": str(file), "line": "again", "then_raise": "no"})
    eventually(lambda: platform.ask("GET", "health")["queued_events"] == 0)
    assert lines(file) == ["again"] * 3


def test_a_throttled_event_waits_for_its_turn(platform: Platform, function: str, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    send(platform, function, {"append": str(file), "line": "late"})
    with pytest.raises(ClientError):
        platform.invoke(function)
    assert lines(file) == []
    platform.client.delete_function_concurrency(FunctionName=function)
    eventually(lambda: lines(file) == ["late"])


def test_an_accepted_event_outlives_sigkill(tmp_path: Path) -> None:
    state, file = str(tmp_path / "state"), tmp_path / "lines"
    first = Platform("--state", state)
    try:
        name = first.create()
        pid = first.value(name)["pid"]
        first.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        send(first, name, {"append": str(file), "line": "kept"})
    finally:
        first.stop(signal.SIGKILL)
    eventually(lambda: not alive(pid))
    assert lines(file) == []
    with Platform("--state", state, "--retry-scale", "0.01") as second:
        assert second.client.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 0
        second.client.delete_function_concurrency(FunctionName=name)
        eventually(lambda: lines(file) == ["kept"])
        assert second.value(name)["count"] >= 1
        eventually(lambda: second.ask("GET", "health")["queued_events"] == 0)
    with Platform("--state", state) as third:
        assert third.ask("GET", "health")["queued_events"] == 0
    assert lines(file) == ["kept"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_no_process(number: int) -> None:
    platform = Platform()
    try:
        name = platform.create()
        pid = platform.value(name)["pid"]
        eventually(lambda: platform.instances(name)[0]["state"] == "frozen")
    finally:
        assert platform.stop(number) == 0
    assert not alive(pid)


def test_what_runs_may_finish_after_sigterm() -> None:
    from concurrent.futures import ThreadPoolExecutor

    platform = Platform()
    try:
        name = platform.create()
        platform.value(name)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(platform.value, name, {"sleep": 1})
            eventually(lambda: platform.instances(name)[0]["state"] == "busy")
            assert platform.stop() == 0
            assert slow.result()["event"] == {"sleep": 1}
    finally:
        platform.stop()


def test_the_end_of_the_lifeline_ends_the_platform() -> None:
    read, write = os.pipe()
    platform = Platform(env={**os.environ, "WORKBENCH_LIFELINE_FD": str(read)}, pass_fds=(read,))
    os.close(read)
    try:
        pid = platform.value(platform.create())["pid"]
        os.close(write)
        assert platform.process.wait(20) == 0
        assert not alive(pid)
    finally:
        platform.stop()


@pytest.mark.parametrize("arguments", [("--port", "PORT"), ("--isolation", "magic"), ("--state", "/dev/null/x")])
def test_what_cannot_be_served_is_said_in_one_line(platform: Platform, arguments: tuple[str, ...]) -> None:
    port = platform.endpoint.rpartition(":")[2]
    command = [sys.executable, "-m", "workbench.faas.serve", "--isolation", "process"]
    done = subprocess.run(
        [*command, *(a.replace("PORT", port) for a in arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("workbench serve: ")
    assert "Traceback" not in done.stderr


def test_it_idles_below_150_mb(platform: Platform) -> None:
    import psutil

    assert psutil.Process(platform.process.pid).memory_info().rss < 150 * 2**20
