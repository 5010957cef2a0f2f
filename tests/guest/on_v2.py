"""Tests that run inside the guest alone, where cgroup v2 is all there is: what its files say, and who may use it.

The layouts are those of systemd: a user's processes sit in `user@UID.service/app.slice/NAME.scope`, and everything
from that service down belongs to the user ("Delegation" in the kernel's Documentation/admin-guide/cgroup-v2.rst).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.sandboxes.boxes import SERVICE, Marks, call, eventually
from workbench import capabilities
from workbench.isolation import cgroups, namespaces
from workbench.isolation.namespaces import NamespacesSandbox
from workbench.sandbox import SandboxSpec
from workbench.service import Resources

TOP = Path("/sys/fs/cgroup")
NOBODY = 65534
LIMITS = {"memory", "cpu", "pids", "tmp", "network", "filesystem", "freeze"}
PERIOD_US = 100_000
_numbers = itertools.count()
Launch = Callable[..., NamespacesSandbox]


@pytest.fixture
def code() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    (directory / "app.py").write_text(SERVICE)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def launch(code: Path) -> Iterator[Launch]:
    with contextlib.ExitStack() as stack:

        def start(memory_mb: int = 1769, pids_limit: int = 64, *, whole_cpu: bool = False) -> NamespacesSandbox:
            name = f"v2-{os.getpid()}-{next(_numbers)}"
            spec = SandboxSpec(
                name, "http_host.py", "app.handler", code, Resources(memory_mb=memory_mb), {}, pids_limit
            )
            box = namespaces.launch(spec)
            stack.callback(box.close)
            if whole_cpu:  # where memory is what is tried: an emulated processor is slow enough
                (directory_of(name) / "cpu.max").write_text("max")
            Marks(box.control).until("function_ready")
            return box

        yield start


def directory_of(name: str) -> Path:
    [directory] = TOP.rglob(name)
    return directory


def table(path: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in path.read_text().splitlines())}


def test_v2_is_what_is_found() -> None:
    assert capabilities.find().cgroup_version == "v2"
    group = cgroups.create("plain", Resources(), 8)
    assert group is not None
    directories = set(group.directories.values())
    group.remove()
    assert group.version == 2
    assert group.controllers == {"memory", "cpu", "pids", "freeze"}
    assert len(directories) == 1
    assert not any(directory.parent.exists() for directory in directories), "the session's group went with its last one"


def test_the_kernel_holds_the_limits_that_were_asked_for(launch: Launch) -> None:
    box = launch(memory_mb=1024, pids_limit=48)
    assert box.enforced == LIMITS
    directory = directory_of(box.name)
    assert int((directory / "memory.max").read_text()) == 1024 * 2**20
    assert int((directory / "pids.max").read_text()) == 48
    quota, period = map(int, (directory / "cpu.max").read_text().split())
    assert (quota, period) == (round(1024 / 1769 * PERIOD_US), PERIOD_US)
    swap = directory / "memory.swap.max"
    assert not swap.exists() or swap.read_text() == "0\n"
    assert len((directory / "cgroup.procs").read_text().split()) == 1


def test_the_memory_limit_ends_one_box_and_not_its_neighbour(launch: Launch) -> None:
    greedy, neighbour = launch(256, whole_cpu=True), launch(256, whole_cpu=True)
    assert call(greedy, do="fill", mb=16) == 16 * 2**20
    assert not greedy.oom_killed()
    with pytest.raises((urllib.error.URLError, OSError)):
        call(greedy, do="fill", mb=400)
    assert eventually(lambda: greedy.exit_code() is not None)
    assert greedy.exit_code() == -signal.SIGKILL
    assert greedy.oom_killed()
    assert not neighbour.oom_killed()
    assert call(neighbour, a=1)["echo"] == {"a": 1}


def test_the_peak_keeps_what_was_freed_again(launch: Launch) -> None:
    box = launch(512, whole_cpu=True)
    call(box, do="fill", mb=64)
    usage = box.usage()
    assert usage is not None
    assert 64 * 2**20 <= usage.peak_memory_bytes <= 512 * 2**20
    assert int((directory_of(box.name) / "memory.current").read_text()) < 64 * 2**20


def test_a_busy_box_gets_its_share_of_a_cpu_and_is_throttled(launch: Launch) -> None:
    box = launch(354)  # a fifth of a CPU
    started = time.monotonic()
    before = box.usage()
    call(box, do="spin", cpu_s=0.6)
    after, elapsed_s = box.usage(), time.monotonic() - started
    assert before is not None
    assert after is not None
    used_s = after.cpu_s - before.cpu_s
    assert used_s >= 0.6
    assert used_s / elapsed_s < 0.4, f"{used_s} s of CPU in {elapsed_s} s: the share was to be 0.2"
    assert table(directory_of(box.name) / "cpu.stat")["nr_throttled"] > 0


def test_a_frozen_box_uses_no_cpu_and_goes_on_when_thawed(launch: Launch) -> None:
    box = launch()
    before = call(box, do="ticks")
    box.freeze()
    events = directory_of(box.name) / "cgroup.events"
    assert table(events)["frozen"] == 1
    frozen = box.usage()
    time.sleep(0.5)
    assert box.usage() == frozen
    box.thaw()
    assert table(events)["frozen"] == 0
    assert eventually(lambda: call(box, do="ticks") > before)


def test_processes_that_keep_forking_all_end_at_once() -> None:
    group = cgroups.create(f"forking-{os.getpid()}", Resources(memory_mb=1769), 40)
    assert group is not None
    [directory] = set(group.directories.values())
    assert (directory / "cgroup.kill").exists()
    program = """
        import os, time
        input()
        while True:
            try:
                if os.fork() and os.fork():
                    os._exit(0)  # its children go on: no list of processes is right for long
            except BlockingIOError:
                time.sleep(0.01)
        """
    process = subprocess.Popen([sys.executable, "-ISc", textwrap.dedent(program)], stdin=subprocess.PIPE)
    group.add(process.pid)
    process.communicate(b"\n")
    assert eventually(lambda: table(directory / "pids.events")["max"] > 0), "it forked up to its limit"
    group.kill()
    assert not group.pids()
    group.remove()
    assert not directory.exists()


def test_the_usage_of_a_group_that_an_engine_made_can_be_read() -> None:
    scope = TOP / f"system.slice/docker-{os.getpid()}abc.scope"  # as Docker Engine with systemd names it
    with made(scope, ("memory", "cpu")), subprocess.Popen([sys.executable, "-ISc", "while True: pass"]) as process:
        (scope / "cgroup.procs").write_text(str(process.pid))
        group = cgroups.of_process(process.pid, f"{os.getpid()}abc")
        assert group is not None
        assert eventually(lambda: (usage := group.usage()) is not None and usage.cpu_s > 0.1)
        last = group.usage()
        assert last is not None
        assert last.peak_memory_bytes > 2**20
        assert cgroups.of_process(process.pid, "another") is None
        process.kill()


# What the owner of a sandbox finds out about it, in the group that the owner is in.
OWNER = f"""
import json, os, tempfile, time, urllib.error
from pathlib import Path
from tests.functional.sandboxes.boxes import Marks, call, eventually
from workbench.isolation import cgroups, namespaces
from workbench.sandbox import SandboxSpec
from workbench.service import Resources
from workbench.session import session_id

code = Path(tempfile.mkdtemp())
code.chmod(0o755)
(code / "app.py").write_text({SERVICE!r})
box = namespaces.launch(SandboxSpec("v2-owned", "http_host.py", "app.handler", code, Resources(memory_mb=256)))
for path in Path("/sys/fs/cgroup").rglob("v2-owned"):
    if (path / "cpu.max").exists():
        (path / "cpu.max").write_text("max")  # an emulated processor is slow enough
try:
    Marks(box.control).until("function_ready")
    call(box, do="spin", cpu_s=0.3)
    usage = box.usage()
    box.freeze()
    still = box.usage()
    time.sleep(0.3)
    found = {{
        "uid": os.getuid(),
        "enforced": sorted(box.enforced),
        "groups": [str(path) for path in Path("/sys/fs/cgroup").rglob("v2-owned")],
        "cpu_s": usage.cpu_s,
        "peak_memory_bytes": usage.peak_memory_bytes,
        "frozen": box.usage() == still,
    }}
    box.thaw()
    try:
        call(box, do="fill", mb=400)
    except (urllib.error.URLError, OSError):
        pass
    found["oom_killed"] = eventually(box.oom_killed)
finally:
    box.close()
found["left"] = [str(path) for path in Path("/sys/fs/cgroup").rglob(f"workbench-{{session_id()}}")]
print(json.dumps(found))
"""


def test_a_user_with_a_delegated_subtree_gets_every_limit() -> None:
    found = owned_by_nobody(("memory", "cpu", "pids"))
    assert set(found["enforced"]) == LIMITS
    [group] = found["groups"]
    assert f"user@{NOBODY}.service/" in group
    assert_it_was_limited(found)


def test_a_limit_that_was_not_delegated_is_not_claimed() -> None:
    """As many distributions do it: memory and pids for users, the CPU for the administrator alone."""
    found = owned_by_nobody(("memory", "pids"))
    assert set(found["enforced"]) == LIMITS - {"cpu"}
    assert_it_was_limited(found)


def test_a_user_without_a_delegated_subtree_is_watched_instead() -> None:
    found = owned_by_nobody((), delegated=False)
    assert found["groups"] == []
    assert set(found["enforced"]) == LIMITS - {"cpu"}, "memory by a watch, processes by the user's own limit"
    assert_it_was_limited(found)


@pytest.mark.parametrize(
    "mounts", ["umount -l /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup", "true"], ids=["own", "outside's"]
)
def test_in_a_container_whose_only_group_holds_its_processes_no_group_is_claimed(mounts: str) -> None:
    """A container with a cgroup namespace: its group cannot limit groups below it, and it can enter none outside."""
    container = TOP / "container"
    inside = ["unshare", "--cgroup", "--mount", "--propagation", "private", "sh", "-c", f'{mounts} && exec "$@"', "sh"]
    with made(container, ("memory", "cpu", "pids")):
        found = owned(container, *inside)
    assert found["uid"] == 0
    assert found["groups"] == []
    assert set(found["enforced"]) == LIMITS - {"cpu"}
    assert_it_was_limited(found)


def assert_it_was_limited(found: dict[str, Any]) -> None:
    assert found["oom_killed"]
    assert found["frozen"]
    assert found["cpu_s"] >= 0.3
    assert found["peak_memory_bytes"] > 2**20
    assert found["left"] == []


def owned_by_nobody(controllers: tuple[str, ...], *, delegated: bool = True) -> dict[str, Any]:
    """What an unprivileged owner of a sandbox finds, in a session as systemd makes it."""
    service = TOP / f"user.slice/user-{NOBODY}.slice/user@{NOBODY}.service"
    scope = service / "app.slice/shell.scope"
    with made(scope, controllers):
        if delegated:
            for directory in (service, scope.parent, scope):
                for path in (directory, *(directory / f"cgroup.{name}" for name in ("procs", "subtree_control"))):
                    os.chown(path, NOBODY, NOBODY)
        return owned(scope, "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--")


def owned(group: Path, *start: str) -> dict[str, Any]:
    """Run `OWNER` in `group`, by the command that `start` is the beginning of; what it found."""
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        home.chmod(0o777)
        own = ("XDG_", "WORKBENCH_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        enter = ["sh", "-c", 'echo $$ > "$1"/cgroup.procs && shift && exec "$@"', "sh", str(group)]
        done = subprocess.run(
            [*enter, *start, sys.executable, "-c", OWNER],
            env={**environment, "HOME": str(home), "TMPDIR": str(home)},
            cwd="/project",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert eventually(lambda: not (group / "cgroup.procs").read_text()), "the owner and its keeper have ended"
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def made(group: Path, controllers: tuple[str, ...]) -> Iterator[None]:
    """Make `group` and those above it, which hand `controllers` down to it; all are removed at the end."""
    above = [path for path in reversed(group.parents) if path == TOP or TOP in path.parents]
    group.mkdir(parents=True)
    for directory in above:
        for name in controllers:
            (directory / "cgroup.subtree_control").write_text(f"+{name}")
    try:
        yield
    finally:
        for directory in (group, *reversed(above[1:])):
            eventually(lambda: _removed(directory))  # noqa: B023 - called here and now


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True
