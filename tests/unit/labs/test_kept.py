"""Memory held by this session's processes, told apart by what they are for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from workbench.labs import holds_more, kept, memory
from workbench.session import VARIABLE, is_alive

MB = 2**20


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> str:
    # Of a process that lives, and is not ours: nothing else of these tests belongs to it.
    name = f"{os.getppid()}-{round(psutil.Process(os.getppid()).create_time() * 100)}"
    assert is_alive(name)
    monkeypatch.setenv(VARIABLE, name)
    return name


@pytest.fixture
def holding(session: str) -> Iterator[list[str]]:
    """Two processes as the platform names them: a template's that holds more, and an instance's."""
    code = "import sys; held = b'x' * (int(sys.argv[1]) << 20); print('up', flush=True); sys.stdin.read()"
    started = []
    for instance, megabytes in (("f-template-1", "64"), ("f-2", "1")):
        environment = {**os.environ, "WORKBENCH_INSTANCE": instance}
        process = subprocess.Popen(
            [sys.executable, "-c", code, megabytes], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
    yield ["template of the snapshot", "instance f-2"]
    for process in started:
        process.communicate()


def test_each_process_is_counted_for_what_it_is_for(holding: list[str]) -> None:
    held = memory()
    assert sorted(held) == sorted(holding)
    assert sum(held["template of the snapshot"]) >= 64 * MB > sum(held["instance f-2"]) > 0
    assert set(memory({"f-2": "mine"})) == {"template of the snapshot", "mine"}


def test_nothing_runs_nothing_is_held(session: str) -> None:
    assert memory() == {}


def test_which_holds_more() -> None:
    held = {"a": [5 * MB, 5 * MB], "b": [4 * MB], "c": [9 * MB]}
    assert holds_more(held, "a", "b") == holds_more(held, "b", "a") == "a"
    assert holds_more(held, "a", "c") == "about the same"
    assert holds_more(held, "a", "absent") is None


def test_a_purpose_is_a_row() -> None:
    assert kept({"a": [5 * MB, 5 * MB], "b": [MB // 2]}).text.splitlines()[1:] == [
        "a         2          10.0 MB",
        "b         1          0.5 MB",
    ]
