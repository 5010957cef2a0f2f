"""The pressures of the probe sample: bounded, ended with their instance, and leaving nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from workbench.deployments.fake import FakeDeployment
from workbench.experiments.probing import ask
from workbench.samples import sample


@pytest.fixture
def probe() -> Iterator[FakeDeployment]:
    with FakeDeployment(sample("probe")) as deployment:
        deployment.scale(1)
        yield deployment


def test_a_fork_bomb_is_bounded_and_all_of_it_ends(probe: Any) -> None:
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    got = ask(probe, "fork_bomb", members=10, seconds=0.2)
    assert got == {"asked": 10, "started": 10, "refused": 0, "killed": False}
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


def test_a_fork_bomb_ends_with_its_instance_even_when_that_is_killed() -> None:
    source = str(sample("probe").source)
    code = f"import sys; sys.path.insert(0, {source!r}); import probe_hogs; probe_hogs.fork_bomb(20, 20)"
    instance = subprocess.Popen([sys.executable, "-c", code])
    try:
        family: list[psutil.Process] = []
        end = time.monotonic() + 20
        while len(family) < 21 and time.monotonic() < end:
            family = psutil.Process(instance.pid).children(recursive=True)
            time.sleep(0.02)
        assert len(family) == 21  # the first, and the twenty it started
    finally:
        os.kill(instance.pid, signal.SIGKILL)
        instance.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_tmp_without_a_limit_of_its_own_gets_little_and_keeps_nothing(probe: Any) -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    got = ask(probe, "fill_tmp", most_mb=0, unlimited_mb=3, seconds=0.05)
    assert (got["limited"], got["written_mb"], got["full"]) == (False, 3, False)
    assert ask(probe, "hog_disk", most_mb=2, seconds=0.5)["written_mb"] == 2
    assert set(os.listdir(tempfile.gettempdir())) <= before


def test_a_flood_is_counted_bounded_and_leaves_no_connection(probe: Any) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        port = server.getsockname()[1]
        got = ask(probe, "flood", addresses=[["127.0.0.1", 1], ["127.0.0.1", port]], most=30, seconds=5)
        assert got == {"target": ["127.0.0.1", port], "opened": 30, "refused": 0}
        assert not [c for c in psutil.Process().net_connections("tcp") if c.raddr and c.raddr.port == port]
    assert ask(probe, "flood", addresses=[["127.0.0.1", port]], most=30, seconds=1)["target"] is None


def test_asking_the_kernel_changes_nothing(probe: Any) -> None:
    before = (os.getresuid(), os.readlink("/proc/self/ns/mnt"), sorted(os.listdir(tempfile.gettempdir())))
    calls = ask(probe, "calls", pid=os.getppid(), same_pids=False)["calls"]
    assert {"mount", "bpf", "kexec_load", "ptrace a neighbour"} <= set(calls)
    assert calls["ptrace a neighbour"]["allowed"] is False
    assert all(set(call) == {"allowed", "seen"} for call in calls.values())
    ask(probe, "clock")
    seen = ask(probe, "devices")
    assert "null" in seen["names"]
    assert before == (os.getresuid(), os.readlink("/proc/self/ns/mnt"), sorted(os.listdir(tempfile.gettempdir())))


def test_work_may_be_told_to_write(probe: Any) -> None:
    assert ask(probe, "work", rounds=10, write_kb=4) == ask(probe, "work", rounds=10)
