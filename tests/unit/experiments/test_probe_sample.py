from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from workbench.deployments.fake import FakeDeployment
from workbench.errors import HandlerError
from workbench.experiments.probing import ask
from workbench.samples import sample

SECRET = "a-secret-that-only-this-test-knows"


@pytest.fixture
def probe() -> Iterator[FakeDeployment]:
    with FakeDeployment(sample("probe")) as deployment:
        deployment.scale(1)
        yield deployment


def test_what_is_planted_can_be_found_and_forgotten(probe: Any) -> None:
    planted = ask(probe, "plant", secret=SECRET)
    try:
        read = ask(probe, "read_memory", pid=planted["pid"], address=planted["address"], secret=SECRET)
        assert read["read"] is True
        assert (
            ask(probe, "read_memory", pid=planted["pid"], address=planted["address"] + 1, secret=SECRET)["read"]
            is False
        )
        assert ask(probe, "read_files", path=planted["file"], secret=SECRET)["found"] == [planted["file"]]
        assert ask(probe, "read_files", path=planted["file"], secret="something else")["found"] == []
        assert ask(probe, "signal", pid=planted["pid"])["allowed"] is True
    finally:
        assert ask(probe, "forget")["removed"] == planted["file"]
    assert ask(probe, "read_files", path=planted["file"], secret=SECRET)["found"] == []


def test_a_process_among_other_numbers_is_never_signalled(probe: Any) -> None:
    assert ask(probe, "signal", pid=1, same_pids=False)["allowed"] is False


def test_connecting_tells_open_from_closed(probe: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = list(server.getsockname())
        seen = ask(probe, "connect", addresses=[address])
        assert seen["reached"] == [address]
        assert address in seen["visible"]
        assert address in ask(probe, "whoami")["listeners"]
    assert ask(probe, "connect", addresses=[address])["reached"] == []


def test_memory_is_taken_and_given_back(probe: Any) -> None:
    got = ask(probe, "allocate", megabytes=48, processes=2)
    assert got == {"asked_mb": 48, "reached_mb": 48, "each_mb": [24, 24], "killed": 0}


def test_a_crowd_is_counted(probe: Any) -> None:
    assert ask(probe, "crowd", members=20)["started"] == 20


def test_spinning_uses_the_cpu_and_ends(probe: Any) -> None:
    spun = ask(probe, "spin", seconds=0.2, workers=2)
    assert spun["workers"] == 2
    assert 0 < spun["cpu_s"] <= 2 * spun["wall_s"] + 0.1


def test_looking_around_leaves_nothing_open(probe: Any) -> None:
    ask(probe, "whoami")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        ask(probe, "whoami")
        ask(probe, "allocate", megabytes=8)
        ask(probe, "crowd", members=2)
        ask(probe, "connect", addresses=[["127.0.0.1", 1]])
    assert len(os.listdir("/proc/self/fd")) <= before


def test_work_is_always_the_same(probe: Any) -> None:
    assert ask(probe, "work", rounds=100) == ask(probe, "work", rounds=100)
    assert ask(probe, "work", rounds=100)["digest"] != ask(probe, "work", rounds=101)["digest"]


def test_wrong_questions_are_answered_with_the_right_ones(probe: Any) -> None:
    with pytest.raises(HandlerError, match=r"no action 'dance'.*whoami"):
        ask(probe, "dance")
    with pytest.raises(HandlerError, match="on purpose"):
        ask(probe, "raise")
    assert probe.invoke({}).payload["pid"] > 0
