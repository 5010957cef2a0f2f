"""The clean-up proof sees what a session owns, and only that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from workbench.labs import Owned, cleanup, owned, proof
from workbench.session import VARIABLE, is_alive, state_dir


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> str:
    # A session that lives, or a clean-up elsewhere on this machine would rightly remove what it owns; and not ours.
    name = f"{os.getppid()}-{round(psutil.Process(os.getppid()).create_time() * 100)}"
    assert is_alive(name)
    monkeypatch.setenv(VARIABLE, name)
    return name


def test_a_process_of_the_session_is_seen_until_it_ends(session: str) -> None:
    assert owned().processes == ()
    waits = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = owned().processes
        assert [line.split()[0] for line in found] == [str(process.pid)]
        assert proof(Owned(), owned(), within_s=0.1).kind == "bad"
        assert owned("1-1").processes == ()
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    assert proof(Owned(), Owned(processes=found)).kind == "good"


def test_a_directory_of_the_session_is_seen(session: str) -> None:
    place = state_dir() / "sessions" / session / "platform"
    place.mkdir(parents=True)
    try:
        assert owned().directories == (str(place),)
    finally:
        place.rmdir()
        place.parent.rmdir()
    assert owned().nothing


def test_groups_of_either_version_are_seen(session: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (f"workbench-{session}/instance", f"memory/workbench-{session}", "memory/workbench-1-1"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(cleanup, "CGROUPS", tmp_path)
    assert {Path(line).relative_to(tmp_path).as_posix() for line in owned().cgroups} == {
        f"workbench-{session}",
        f"workbench-{session}/instance",
        f"memory/workbench-{session}",
    }


def test_it_says_what_is_left_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "settled", lambda within_s: Owned(containers=("box (running)",)))
    panel = proof(Owned(), Owned(containers=("box (running)",)))
    assert "box (running)" in panel.text
    assert "wb.clean()" in panel.text


def test_nothing_reads_as_nothing() -> None:
    assert str(Owned()) == "nothing: no process, container, network, image, cgroup or directory"
    assert Owned().nothing
    assert not Owned(directories=("x",)).nothing
