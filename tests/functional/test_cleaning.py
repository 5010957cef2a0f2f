"""`workbench clean` removes what a killed owner left, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.needs import needs
from workbench import cleaning
from workbench.isolation import cgroups
from workbench.service import Resources
from workbench.session import VARIABLE, session_dir, session_id, state_dir

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
