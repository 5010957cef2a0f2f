"""Control groups of the running kernel, with real processes in them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.sandboxes.boxes import eventually
from tests.needs import needs
from workbench.isolation import cgroups
from workbench.service import Resources

SPIN = "while True: pass"


@pytest.fixture
def group() -> Iterator[cgroups.Cgroup]:
    made = cgroups.create(f"group-{uuid.uuid4().hex[:8]}", Resources(memory_mb=128), 8)
    assert made is not None
    yield made
    made.remove()


@pytest.fixture
def unified() -> Iterator[cgroups.Cgroup]:
    """A group of the v2 tree, which freezes and kills even where v1 has the controllers."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if top is None or not os.access(top, os.W_OK):
        pytest.skip("no writable cgroup v2 tree is mounted")
    directory = top / f"workbench-{os.getpid()}-test" / "box"
    directory.mkdir(parents=True)
    made = cgroups.Cgroup(2, {"freezer": directory})
    yield made
    made.remove()
    assert not directory.parent.exists()


def _start(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program])


@needs("cgroups")
def test_cpu_time_stays_within_the_quota(group: cgroups.Cgroup) -> None:
    if "cpu" not in group.controllers:
        pytest.skip("this machine has no cpu controller to write")
    process = _start(SPIN)
    group.add(process.pid)
    before, started = group.usage(), time.monotonic()
    time.sleep(1.0)
    after, ended = group.usage(), time.monotonic()
    group.kill()
    process.wait()
    assert before is not None
    assert after is not None
    share = (after.cpu_s - before.cpu_s) / (ended - started)
    assert 0 < share < 3 * Resources(memory_mb=128).vcpus, "one CPU's worth would be 14 times the quota"


@needs("cgroups")
def test_memory_over_the_limit_is_ended_and_counted(group: cgroups.Cgroup) -> None:
    if "memory" not in group.controllers:
        pytest.skip("this machine has no memory controller to write")
    process = subprocess.Popen([sys.executable, "-c", "input(); bytearray(400 << 20)"], stdin=subprocess.PIPE)
    group.add(process.pid)
    process.communicate(b"\n")
    assert process.returncode == -signal.SIGKILL
    assert eventually(lambda: group.oom_kills() >= 1)


@needs("cgroups")
def test_a_fork_over_the_limit_is_refused(group: cgroups.Cgroup) -> None:
    if "pids" not in group.controllers:
        pytest.skip("this machine has no pids controller to write")
    program = "import os, time\ninput()\nn = 0\ntry:\n while n < 50:\n  os.fork() or time.sleep(60)\n  n += 1\n"
    program += "except BlockingIOError: os._exit(n)"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    group.add(process.pid)
    process.communicate(b"\n")
    assert process.returncode == 7
    group.kill()
    assert not group.pids()


@pytest.mark.parametrize("which", ["group", "unified"])
@needs("cgroups")
def test_frozen_processes_get_no_cpu_and_can_be_ended(which: str, request: pytest.FixtureRequest) -> None:
    group: cgroups.Cgroup = request.getfixturevalue(which)
    process = _start(SPIN)
    group.add(process.pid)
    assert process.pid in group.pids()
    group.freeze()
    before = _ticks(process.pid)
    time.sleep(0.2)
    assert _ticks(process.pid) == before
    group.thaw()
    assert eventually(lambda: _ticks(process.pid) > before)
    group.freeze()
    group.kill()
    assert process.wait(30) == -signal.SIGKILL
    group.remove()
    group.remove()
    assert not any(directory.exists() for directory in group.directories.values())


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
