"""`workbench clean` removes what a killed owner left, and nothing else."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from workbench import cleaning
from workbench.isolation import cgroups
from workbench.service import Resources
from workbench.session import (
    ENGINE_NOTE,
    UNFINISHED,
    VARIABLE,
    cache_dir,
    session_dir,
    session_id,
    state_dir,
    unfinished_prefix,
)

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.timeout(600)]

SLEEPER = [sys.executable, "-ISc", "import time; print('up', flush=True); time.sleep(600)"]


def sleeper(session: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        SLEEPER, stdout=subprocess.PIPE, text=True, env={**os.environ, VARIABLE: session}, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.fixture
def dead() -> str:
    """The session of an owner that was killed."""
    program = "from workbench.session import session_id; print(session_id(), flush=True); input()"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as owner:
        assert owner.stdout is not None
        session = owner.stdout.readline().strip()
        owner.kill()
    return session


@pytest.fixture
def of_dead(dead: str) -> Iterator[subprocess.Popen[str]]:
    process = sleeper(dead)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture
def of_living() -> Iterator[subprocess.Popen[str]]:
    process = sleeper(session_id())
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_processes_of_a_dead_session_end_and_no_others(
    of_dead: subprocess.Popen[str], of_living: subprocess.Popen[str]
) -> None:
    cleaned = cleaning.clean()
    assert of_dead.wait(30) < 0
    assert of_living.poll() is None
    assert not any(line.startswith(f"{of_living.pid} ") for line in cleaned.processes)


def test_a_session_of_another_place_is_left_alone(dead: str) -> None:
    elsewhere = sleeper(dead[:-8] + "00000000")
    try:
        cleaning.clean()
        assert elsewhere.poll() is None
    finally:
        elsewhere.kill()
        elsewhere.communicate()


def test_directories_of_a_dead_session_go(dead: str) -> None:
    own = session_dir()
    left = state_dir() / "sessions" / dead / "box.x" / "deep"
    left.mkdir(parents=True)
    cleaned = cleaning.clean()
    assert str(left.parents[1]) in cleaned.directories
    assert str(left.parents[1]) in str(cleaned)
    assert not left.parents[1].exists()
    assert own.is_dir()


def test_only_named_instances_of_the_own_session_go() -> None:
    gone, kept = session_dir() / "gone.1", session_dir() / "kept.1"
    for directory in (gone, kept):
        directory.mkdir()
    try:
        cleaned = cleaning.clean(instances=("gone",))
        assert str(gone) in cleaned.directories
        assert not gone.exists()
        assert kept.exists()
    finally:
        kept.rmdir()


@needs("cgroups")
def test_cgroups_of_a_dead_session_go_with_what_is_frozen_in_them(
    dead: str, of_dead: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, dead)
    group = cgroups.create("left", Resources(), 16)
    monkeypatch.undo()
    assert group is not None
    group.add(of_dead.pid)
    if "freeze" in group.controllers:
        group.freeze()
    cleaning.clean()
    assert of_dead.wait(30) < 0
    directories = set(group.directories.values())
    assert not [directory for directory in directories if directory.parent.exists()]


@needs("docker")
def test_networks_of_a_dead_session_go(dead: str) -> None:
    import docker

    client = docker.from_env()
    made = []
    try:
        for session in (dead, session_id()):
            name = f"wb-test-{session}"
            made.append(client.networks.create(name, labels={cleaning.LABEL: session}))
        cleaning.clean()
        names = {network.name for network in client.networks.list()}
        assert made[0].name not in names
        assert made[1].name in names
    finally:
        for network in made[1:]:
            network.remove()
        client.close()


def test_nothing_to_clean_says_so() -> None:
    assert str(cleaning.Cleaned()) == "Nothing was left behind."
    assert cleaning.Cleaned(cgroups=("a", "b")).total == 2


def test_other_users_names_are_not_ours() -> None:
    foreign = state_dir() / "sessions" / "somebody-elses-notes.txt"
    foreign.mkdir(parents=True)
    try:
        cleaning.clean()
        assert foreign.is_dir()
    finally:
        foreign.rmdir()


def test_a_dry_run_names_and_removes_nothing(dead: str) -> None:
    left = state_dir() / "sessions" / dead
    left.mkdir(parents=True)
    would = cleaning.clean(dry_run=True)
    assert str(left) in would.directories
    assert f"would remove {len(would.directories)} directories" in str(would)
    assert left.is_dir()
    assert str(left) in cleaning.clean().directories


@needs("docker")
def test_an_engine_that_is_away_is_said_and_remembered(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = state_dir() / "sessions" / dead
    left.mkdir(parents=True)
    (left / ENGINE_NOTE).touch()
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    cleaned = cleaning.clean()
    assert len(cleaned.remarks) == 1
    assert "not looked at" in str(cleaned)
    assert "Run `workbench clean` again" in str(cleaned)
    assert left.is_dir(), "the next start has to see that something may be left"
    monkeypatch.undo()
    assert str(left) in cleaning.clean().directories


def test_a_session_that_used_no_engine_waits_for_none(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = state_dir() / "sessions" / dead
    left.mkdir(parents=True)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert str(left) in cleaning.clean().directories
    assert not left.exists()


def test_half_made_entries_of_the_cache_go_unless_somebody_makes_them(dead: str) -> None:
    cache = cache_dir()
    abandoned, ours = cache / f"{UNFINISHED}{dead}-x", cache / f"{unfinished_prefix()}y"
    free, held = cache / ".free.lock", cache / ".held.lock"
    for directory in (abandoned, ours):
        directory.mkdir()
    free.touch()
    try:
        with held.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            cleaned = cleaning.clean()
            assert {str(abandoned), str(free)} <= set(cleaned.unfinished)
            assert not abandoned.exists()
            assert not free.exists()
            assert ours.exists()
            assert held.exists()
    finally:
        ours.rmdir()
        held.unlink()


@needs("namespaces")
def test_a_mount_in_a_dead_session_is_unmounted_and_what_is_beyond_it_stays(dead: str, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    place = state_dir() / "sessions" / dead / "box"
    place.mkdir(parents=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", tmp_path, place], check=False).returncode:
        place.rmdir()
        place.parent.rmdir()
        pytest.skip("needs to be allowed to mount")
    cleaned = cleaning.clean()
    assert cleaned.mounts == (str(place),)
    assert not place.exists()
    assert (tmp_path / "precious").exists()
