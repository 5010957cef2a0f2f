"""Control groups: what limits, freezes and accounts for one instance, on cgroup v2 or v1.

Groups are named `workbench-SESSION/NAME`. On v1 there is one such directory in every hierarchy that can be written,
on v2 there is one in all. A group is made below this process's own group, else below the nearest ancestor that can be
written (v2 refuses limits below a group that holds processes, so there the ancestor is the usual place).

The file is longer than others: each limit is said twice, as v1 and as v2 have it, and the two are best read together.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workbench.errors import DeploymentError
from workbench.isolation.reread import Reread
from workbench.sandbox import Usage
from workbench.service import Resources
from workbench.session import session_id

PERIOD_US = 100_000
"""Length of the period in which a CPU quota is given out, the kernel's default."""

_MIN_QUOTA_US = 1000
_WANTED = ("memory", "cpu", "pids", "freezer", "cpuacct")
_PATIENCE_S = 5.0


class Files(Protocol):
    """Where the groups' files are; a test puts its own files there."""

    def memberships(self) -> str:
        """The content of /proc/self/cgroup."""

    def mounts(self) -> str:
        """The content of /proc/self/mountinfo."""


class _Proc:
    def memberships(self) -> str:
        return _read(Path("/proc/self/cgroup"))

    def mounts(self) -> str:
        return _read(Path("/proc/self/mountinfo"))


@dataclass(frozen=True)
class Cgroup:
    """One instance's group: `version` 1 or 2, and its directory by controller (on v2 the same for all)."""

    version: int
    directories: Mapping[str, Path]
    _seen: Reread = field(default_factory=Reread, compare=False, repr=False)

    @property
    def controllers(self) -> frozenset[str]:
        """Which limits hold, in the words of `Sandbox.enforced`: of memory, cpu, pids and freeze."""
        return frozenset("freeze" if name == "freezer" else name for name in self.directories) - {"cpuacct"}

    def add(self, pid: int) -> None:
        """Move process `pid` (and what it starts from now on) into the group; raises DeploymentError."""
        for directory in self._distinct():
            try:
                (directory / "cgroup.procs").write_text(str(pid))
            except OSError as error:
                raise DeploymentError(
                    f"Process {pid} cannot be moved into the control group {directory} ({error.strerror}). "
                    "`workbench doctor` shows what this machine allows."
                ) from error

    def doors(self) -> list[int]:
        """Files by which a process with one thread enters the group: it writes "0" to each. To be closed by the caller.

        On v1 that is the file for threads: whoever moves itself through it needs no lock over all processes of the
        machine, for which `add` waits 5 to 12 ms (a grace period of RCU). v2 has no such way.
        """
        name = "tasks" if self.version == 1 else "cgroup.procs"
        opened: list[int] = []
        try:
            for directory in self._distinct():
                opened.append(os.open(directory / name, os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            for number in opened:
                os.close(number)
            raise DeploymentError(
                f"The control group {directory} cannot be entered ({error.strerror}). "
                "`workbench doctor` shows what this machine allows."
            ) from error
        return opened

    def freeze(self) -> None:
        """Take the CPU away from every process of the group; returns when they have stopped."""
        self._set_frozen(True)

    def thaw(self) -> None:
        """Let the processes run again."""
        self._set_frozen(False)

    def usage(self) -> Usage | None:
        """CPU seconds and peak memory in bytes so far; None without the controllers that count them."""
        try:
            if self.version == 2:
                table = self._seen.read(self.directories["cpu"], "cpu.stat").split()
                cpu_s = int(table[table.index(b"usage_usec") + 1]) / 1e6
            else:
                cpu_s = int(self._seen.read(self.directories["cpuacct"], "cpuacct.usage")) / 1e9
            return Usage(cpu_s, self._peak_memory())
        except (KeyError, OSError, ValueError):
            return None

    def oom_kills(self) -> int:
        """How many processes the memory limit has ended."""
        directory = self.directories.get("memory")
        if directory is None:
            return 0
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        with contextlib.suppress(OSError):
            return _table(directory / name).get("oom_kill", 0)
        return 0

    def pids(self) -> frozenset[int]:
        """The processes in the group now."""
        found: set[int] = set()
        for directory in self._distinct():
            with contextlib.suppress(OSError):
                found.update(int(line) for line in _read(directory / "cgroup.procs").split())
        return frozenset(found - {0})

    def kill(self) -> None:
        """End every process of the group; returns when none is left (a frozen one is thawed to die)."""
        deadline = time.monotonic() + _PATIENCE_S
        pause = 0.0005
        while True:
            self._kill_once()
            if not self.pids() or time.monotonic() > deadline:
                return
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def remove(self) -> None:
        """End what is in the group and delete it, and the session's group with its last one; may be called twice."""
        if self.pids():
            self.kill()
        self._seen.close()
        for directory in self._distinct():
            remove_directory(directory)
            with contextlib.suppress(OSError):
                directory.parent.rmdir()  # refused while the session has other groups

    def _distinct(self) -> Iterator[Path]:
        return iter(dict.fromkeys(self.directories.values()))

    def _peak_memory(self) -> int:
        # A group is charged only for the pages that it touched first: the interpreter and its libraries, which all
        # instances share, may be missing in it, and so are those that a fork has from the zygote or its template. The
        # largest process's own peak has them: what it had resident, shared or not, from the moment of its fork.
        directory = self.directories["memory"]
        pids: list[bytes] = []
        with contextlib.suppress(OSError):  # gone with its last process
            pids = self._seen.read(directory, "cgroup.procs").split()
        return max(self._peak_charged(directory), *(self._seen.resident_peak(int(pid)) for pid in pids), 0)

    def _peak_charged(self, directory: Path) -> int:
        if self.version == 1:
            return int(self._seen.read(directory, "memory.max_usage_in_bytes"))
        try:
            return int(self._seen.read(directory, "memory.peak"))  # since Linux 5.19
        except FileNotFoundError:
            return int(self._seen.read(directory, "memory.current"))

    def _set_frozen(self, frozen: bool) -> None:
        directory = self.directories.get("freezer")
        if directory is None:
            raise DeploymentError("This machine has no control group that freezes. `workbench doctor` shows why.")
        try:
            if self.version == 2:
                (directory / "cgroup.freeze").write_text("1" if frozen else "0")
            else:
                (directory / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        except FileNotFoundError:
            return  # the group is gone, and its processes with it
        deadline = time.monotonic() + _PATIENCE_S
        while frozen and not self._is_frozen(directory):
            if time.monotonic() > deadline:
                raise DeploymentError(f"The processes in {directory} did not freeze; one waits inside the kernel.")
            time.sleep(0.0005)

    def _is_frozen(self, directory: Path) -> bool:
        try:
            if self.version == 2:
                return _table(directory / "cgroup.events").get("frozen") == 1
            return _read(directory / "freezer.state").strip() == "FROZEN"
        except OSError:
            return True

    def _kill_once(self) -> None:
        whole = next(iter(self.directories.values())) / "cgroup.kill"  # since Linux 5.14, v2
        if self.version == 2 and whole.exists():
            with contextlib.suppress(OSError):
                whole.write_text("1")
            return
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if "freezer" in self.directories:  # v1 delivers the signal only when thawed
            with contextlib.suppress(OSError):
                self.thaw()


def create(
    name: str, resources: Resources, pids_limit: int, *, least_vcpus: float = 0.0, files: Files | None = None
) -> Cgroup | None:
    """Make the group of instance `name` with its limits; None where nothing can be written.

    The CPU quota is `resources.vcpus` of one CPU, `least_vcpus` at least, in each period of `PERIOD_US` microseconds.
    Swap is not allowed to stretch the memory limit. A controller that this machine lacks is absent from `.controllers`.
    """
    relative = f"workbench-{session_id()}/{name}"
    version, parents = _parents(files) if files is not None else _parents_here(_Proc().memberships())
    directories: dict[str, Path] = {}
    vcpus = max(resources.vcpus, least_vcpus)
    for controller, parent in parents.items():
        directory = parent / relative
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if version == 2:
                _enable(directory.parent, parents)
            _limit(version, controller, directory, resources.memory_mb, vcpus, pids_limit)
        except OSError:
            continue
        directories[controller] = directory
    if not directories:
        for parent in dict.fromkeys(parents.values()):
            remove_directory(parent / relative)
            with contextlib.suppress(OSError):
                (parent / relative).parent.rmdir()
        _parents_here.cache_clear()
        return None
    return Cgroup(version, directories)


def of_process(pid: int, mark: str, *, files: Files | None = None) -> Cgroup | None:
    """The group that process `pid` is in, to read its usage from; None unless its path has `mark` in it, here."""
    try:
        memberships = _read(Path(f"/proc/{pid}/cgroup"))
    except OSError:
        return None
    own = {controller: path for controller, path in _own_groups(memberships).items() if mark in path}
    unified, split = dict[str, Path](), dict[str, Path]()
    for kind, mounted_from, mount_point, options in _mounts((files or _Proc()).mounts()):
        if kind == "cgroup2" and "" in own:
            unified = dict.fromkeys(("memory", "cpu"), _inside(mount_point, mounted_from, own[""]))
        for controller in set(options) & set(own) & set(_WANTED):
            split[controller] = _inside(mount_point, mounted_from, own[controller])
    if not unified and not split:
        return None
    return Cgroup(1, split) if split else Cgroup(2, unified)


def remove_directory(directory: Path) -> None:
    """Delete one group's directory, waiting while the kernel still counts ended processes; absent is fine."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return  # `workbench clean` finds it by its name
            time.sleep(0.002)


def _limit(version: int, controller: str, directory: Path, memory_mb: int, vcpus: float, pids_limit: int) -> None:
    memory = str(memory_mb * 2**20)
    quota = max(_MIN_QUOTA_US, round(vcpus * PERIOD_US))
    if controller == "memory" and version == 2:
        _put(directory / "memory.max", memory)
        _write_where_present(directory / "memory.swap.max", "0")
    elif controller == "memory":
        _put(directory / "memory.limit_in_bytes", memory)
        _write_where_present(directory / "memory.memsw.limit_in_bytes", memory)
    elif controller == "cpu" and version == 2:
        _put(directory / "cpu.max", f"{quota} {PERIOD_US}")
    elif controller == "cpu":
        _put(directory / "cpu.cfs_period_us", str(PERIOD_US))
        _put(directory / "cpu.cfs_quota_us", str(quota))
    elif controller == "pids":
        _put(directory / "pids.max", str(pids_limit))
    elif not os.access(directory / "cgroup.procs", os.W_OK):
        raise PermissionError(directory)


@functools.lru_cache(maxsize=1)
def _parents_here(memberships: str) -> tuple[int, dict[str, Path]]:
    # Looked for again when this process has moved, not for each instance: it is a good part of what a group costs.
    return _parents(_Proc())


def _parents(files: Files) -> tuple[int, dict[str, Path]]:
    """The version to use, and by controller the directory below which to make groups."""
    own = _own_groups(files.memberships())
    unified: tuple[Path, Path] | None = None
    split: dict[str, Path] = {}
    for kind, mounted_from, mount_point, options in _mounts(files.mounts()):
        if kind == "cgroup2":
            if mounted_from.startswith("/.."):  # of outside this cgroup namespace: its groups cannot be entered
                continue
            here = _inside(mount_point, mounted_from, own.get("", "/"))
            unified = (mount_point, here)
            continue
        for controller in set(options) & set(_WANTED):
            here = _inside(mount_point, mounted_from, own.get(controller, "/"))
            place = next(_writable(mount_point, here), None)
            if place is not None:
                split[controller] = place
    if unified is not None:
        for place in _writable(*unified):
            if _holds_processes(place):
                continue
            having = _enable(place, _WANTED)
            if "memory" in having or ("cpu" in having and not split):
                return 2, dict.fromkeys((*having, "freezer"), place)
    return 1, split


def _own_groups(memberships: str) -> dict[str, str]:
    """Path of this process's group by v1 controller, and under the empty name on v2."""
    own: dict[str, str] = {}
    for line in memberships.splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    return own


def _mounts(mountinfo: str) -> Iterator[tuple[str, str, Path, list[str]]]:
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        fields, rest = head.split(), tail.split()
        if rest and rest[0] in ("cgroup", "cgroup2"):
            yield rest[0], fields[3], Path(fields[4].encode().decode("unicode_escape")), rest[-1].split(",")


def _inside(mount_point: Path, mounted_from: str, group: str) -> Path:
    # In a container the group's path may be seen from the host's root while only a part of the tree is mounted.
    if mounted_from != "/" and (group + "/").startswith(mounted_from + "/"):
        group = group[len(mounted_from) :]
    path = mount_point / group.lstrip("/")
    return path if ".." not in path.parts and path.is_dir() else mount_point


def _writable(mount_point: Path, here: Path) -> Iterator[Path]:
    for place in (here, *here.parents):
        if os.access(place, os.W_OK) and os.access(place / "cgroup.procs", os.W_OK):
            yield place
        if place == mount_point:
            return


def _holds_processes(place: Path) -> bool:
    """Whether a group of v2 has processes, and so no group below it may: the root alone may have both.

    The kernel lets it hand on `cpu` and `pids` all the same, which makes the groups below unfit for whole processes
    ("Threads" in Documentation/admin-guide/cgroup-v2.rst).
    """
    return (place / "cgroup.type").exists() and bool(_read(place / "cgroup.procs").split())


def _enable(place: Path, wanted: Iterable[str]) -> list[str]:
    """Give the groups below `place` the controllers of v2 that can be given; returns those they have then."""
    try:
        control = place / "cgroup.subtree_control"
        offered, given = set(_read(place / "cgroup.controllers").split()), set(_read(control).split())
        for name in wanted:
            if name in offered - given:
                with contextlib.suppress(OSError):  # busy where `place` itself holds processes
                    control.write_text(f"+{name}")
        given = set(_read(control).split())
    except OSError:
        return []
    return [name for name in ("memory", "cpu", "pids") if name in given]


def _write_where_present(path: Path, text: str) -> None:
    if path.exists():
        _put(path, text)


def _put(path: Path, text: str) -> None:
    """Write a file of the kernel's in one call, without the buffers of `Path.write_text`: it is in every cold start."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(number, text.encode())
    finally:
        os.close(number)


def _table(path: Path) -> dict[str, int]:
    return {words[0]: int(words[1]) for line in _read(path).splitlines() if len(words := line.split()) == 2}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path.parts[:2] == ("/", "proc"):
            return ""
        raise
