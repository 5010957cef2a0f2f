"""Clean-up is proven: an owner is killed at points all over its life, with all that would tidy after it.

Where the points are is drawn from `SEED`, one from each equal part of the deployment's life, counted in events (see
tests/killing/sitecustomize.py). What is on the machine is counted by tests/leftovers.py before, after the kill and
after `workbench clean`. The temporary directory is each deployment's own, so that every file in it counts.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import leftovers
from tests.needs import check
from workbench.cleaning import clean
from workbench.session import VARIABLE, state_dir

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.timeout(600)]

SEED = int(os.environ.get("WORKBENCH_KILL_SEED", "4"))
"""Another seed draws other points, for who wants to kill at more of them than there is time for in each run."""

KILLING = Path(__file__).parents[1] / "killing"

# Deployment, sandbox, whose life is cut, at how many points. What is new gets a line.
CASES = [
    ("vm", "process", "owner", 6),
    ("container", "namespaces", "owner", 6),
    ("container", "docker", "owner", 4),
    ("container", "gvisor", "owner", 2),
    ("vm", "qemu-snapshot", "owner", 2),
    ("serverless", "namespaces", "owner", 4),
    ("serverless", "namespaces", "platform", 4),
]


@dataclass
class Place:
    """A temporary directory of its own, and what was on the machine before."""

    directory: Path
    before: frozenset[str] = field(default_factory=frozenset)
    interfaces: int = 0

    def owner(self, pattern: str, sandbox: str, role: str, at: int, **more: str) -> int:
        """Run an owner to its end, or its kill; its exit status."""
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        root = str(Path(__file__).parents[2])
        environment |= {"KILLED_IN": role, "KILLED_AT": str(at), "PYTHONPATH": f"{KILLING}:{root}", **more}
        command = [sys.executable, "-m", "tests.killing.owner", pattern, sandbox]
        return subprocess.run(command, env=environment, cwd=root, check=False, timeout=90).returncode

    def left(self) -> list[str]:
        return sorted(leftovers.everything() - self.before)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache that no other test makes anything in meanwhile."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, cache: str) -> Iterator[Place]:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    with tempfile.TemporaryDirectory(prefix="k") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", name)
        state_dir()
        yield Place(Path(name), leftovers.everything(), leftovers.unowned_interfaces())


def soon(what: Callable[[], bool], within_s: float = 10.0) -> bool:
    """Whether it comes true: what the kernel and the engine have been told takes them a moment."""
    deadline = time.monotonic() + within_s
    while not (true := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return true


def points(events: int, wanted: int) -> list[int]:
    """One event from each of `wanted` equal parts of a life."""
    draw = random.Random(SEED)
    edges = [1 + events * part // wanted for part in range(wanted + 1)]
    return [draw.randrange(low, max(low + 1, high)) for low, high in itertools.pairwise(edges)]


def events_of(place: Place, pattern: str, sandbox: str, role: str) -> int:
    """How many events such a life has, from the second that nobody cuts short: the first also fills the cache."""
    count = place.directory / "count"
    for _ in range(2):
        assert place.owner(pattern, sandbox, role, 0, KILLED_COUNT=str(count)) == 0
    assert soon(count.exists)
    events = int(count.read_text())
    count.unlink()
    assert soon(lambda: not place.left()), place.left()
    return events


@pytest.mark.parametrize(("pattern", "sandbox", "role", "wanted"), CASES, ids=lambda value: str(value))
def test_killed_anywhere_clean_removes_all(place: Place, pattern: str, sandbox: str, role: str, wanted: int) -> None:
    check(*(name for name in (sandbox.partition("-")[0],) if name != "process"))
    found = kills = 0
    for at in points(events_of(place, pattern, sandbox, role), wanted):
        status = place.owner(pattern, sandbox, role, at)
        assert status in (-signal.SIGKILL, 0)  # 0: this life had fewer events than the one they were counted in
        kills += status != 0
        found += len(place.left())
        announced = clean(dry_run=True)
        cleaned = clean()
        assert soon(lambda: not place.left()), f"killed at event {at} of the {role}, left: {place.left()}"
        assert not cleaned.remarks
        assert set(cleaned.directories) <= set(announced.directories)
        again = clean()  # others on this machine may leave something meanwhile; of this there is nothing to do
        assert not {*again.directories, *again.cgroups} & {*cleaned.directories, *cleaned.cgroups}
    assert kills >= wanted - 1
    assert found, "no kill left anything: this has shown nothing"
    assert soon(lambda: leftovers.unowned_interfaces() <= place.interfaces)


def test_the_next_start_removes_all(place: Place) -> None:
    check("namespaces")
    at = points(events_of(place, "container", "namespaces", "owner"), 4)[2]
    assert place.owner("container", "namespaces", "owner", at) == -signal.SIGKILL
    assert place.left()
    assert place.owner("vm", "process", "owner", 0, KILLED_COUNT=os.devnull) == 0
    assert soon(lambda: not place.left()), place.left()


def test_killed_while_the_root_file_system_is_built(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    check("namespaces")
    (place.directory / "cache").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(place.directory / "cache"))
    place.before |= leftovers.everything()
    for at in (60, 600):  # events of its first copies
        assert place.owner("container", "namespaces", "owner", at) == -signal.SIGKILL
        assert any(line.startswith("half made") for line in place.left()), f"event {at} is not inside the build"
        clean()
        assert soon(lambda: not place.left()), place.left()


def test_two_at_once_remove_all(place: Place) -> None:
    at = points(events_of(place, "vm", "process", "owner"), 4)[2]
    assert place.owner("vm", "process", "owner", at) == -signal.SIGKILL
    assert place.left()
    both = [
        subprocess.Popen([sys.executable, "-m", "workbench.cli", "clean"], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert any("removed" in text for text in said)
    assert soon(lambda: not place.left()), place.left()
