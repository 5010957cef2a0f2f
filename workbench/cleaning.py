"""Removing what a session left behind when its owner was killed: processes, containers, cgroups, directories.

A session is alive as long as its owning process is. What carries the name of a dead one (see `workbench.session`)
belongs to nobody, and is removed. Nothing else is touched: a process must carry the session in its environment and be
this user's, a container the label, a control group or directory the name.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from workbench import capabilities
from workbench.session import VARIABLE, is_alive, remove_session_dir_of_the_dead, session_id, state_dir

LABEL = "workbench.session"
_CGROUPS = Path("/sys/fs/cgroup")
_PREFIX = "workbench-"
_SESSION = re.compile(r"\d+-\w+-[0-9a-f]{8}")
_PATIENCE_S = 5.0


@dataclass(frozen=True)
class Cleaned:
    """What was removed, each as a line for people."""

    processes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many things were removed."""
        return sum(len(getattr(self, field.name)) for field in fields(self))

    def __str__(self) -> str:
        if not self.total:
            return "Nothing was left behind."
        lines = []
        for field in fields(self):
            found = getattr(self, field.name)
            lines += [f"removed {len(found)} {field.name}:"] if found else []
            lines += [f"  {line}" for line in found]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Scope:
    """What may be removed: all of a dead session, and of our own session these instances."""

    instances: frozenset[str]

    def takes(self, session: str) -> bool:
        if not _SESSION.fullmatch(session):  # somebody else's name
            return False
        return not is_alive(session)

    def takes_instance(self, session: str, name: str) -> bool:
        return self.takes(session) or (session == session_id() and name in self.instances)


def clean(*, instances: tuple[str, ...] = ()) -> Cleaned:
    """Remove what dead sessions left.

    `instances` names some of this session to be removed too (their owner was killed, the session's was not).
    """
    scope = _Scope(frozenset(instances))
    # Containers first, or the engine would restart or complain about processes that vanish; cgroups when empty.
    containers, networks, images = _clean_docker(scope)
    processes = tuple(_clean_processes(scope))
    cgroups = tuple(_clean_cgroups(scope))
    return Cleaned(processes, containers, networks, images, cgroups, tuple(_clean_directories(scope)))


def _clean_processes(scope: _Scope) -> Iterator[str]:
    killed: list[psutil.Process] = []
    while found := [process for process in _marked(scope) if process not in killed]:  # again: one may have forked
        for process in found:
            killed.append(process)
            with contextlib.suppress(psutil.Error):
                line = f"{process.pid} {' '.join(process.cmdline())[:100]}"
                process.kill()  # checks that the number still is this process's
                yield line
    # A frozen one ends when its cgroup is thawed, which comes next; so do not wait for long. Not psutil's wait(): it
    # would take the exit status from whoever in this process started the one that ended.
    deadline = time.monotonic() + 0.5
    while any(_runs(process) for process in killed) and time.monotonic() < deadline:
        time.sleep(0.005)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _marked(scope: _Scope) -> Iterator[psutil.Process]:
    own_user = os.getuid() if hasattr(os, "getuid") else None
    above, below = _above(), {process.pid for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in above or (own_user is not None and process.uids().real != own_user):
                continue
            environment = process.environ()
            session = environment.get(VARIABLE, "")
            if process.pid in below and session == session_id():
                continue
            if scope.takes_instance(session, environment.get("WORKBENCH_INSTANCE", "")):
                yield process


def _above() -> frozenset[int]:
    """This process and those that it comes from: a clean-up must not end who asked for it."""
    own = psutil.Process()
    return frozenset(process.pid for process in (own, *own.parents()))


def _clean_cgroups(scope: _Scope) -> Iterator[str]:
    groups, homes = _groups(scope)
    spared = _above()
    # All at first: on v1 a process is in several groups, and what one has frozen ends only when that one is thawed.
    for group in groups:
        _end_members(group, spared)
    for group in groups:
        if _remove_group(group, spared):
            yield str(group)
    for home in homes:
        with contextlib.suppress(OSError):  # refused while other instances are in it
            home.rmdir()


def _groups(scope: _Scope) -> tuple[list[Path], list[Path]]:
    """The instances' control groups that may go, and the sessions' groups that these are in."""
    groups, homes = [], []
    for folder, names, _ in os.walk(_CGROUPS):
        for name in names:
            session = name.removeprefix(_PREFIX)
            if session == name or not (scope.takes(session) or session == session_id()):
                continue
            homes.append(Path(folder, name))
            groups += [group for group in _listed(homes[-1]) if scope.takes_instance(session, group.name)]
    return groups, homes


def _end_members(group: Path, spared: frozenset[int]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in {int(line) for line in (group / "cgroup.procs").read_text().split()} - spared:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    for file, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        with contextlib.suppress(OSError):
            if (group / file).exists():
                (group / file).write_text(text)


def _remove_group(group: Path, spared: frozenset[int]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            group.rmdir()
            return True
        except FileNotFoundError:
            return False
        except OSError:
            if time.monotonic() > deadline:
                return False
        _end_members(group, spared)
        time.sleep(0.005)


def _clean_directories(scope: _Scope) -> Iterator[str]:
    for directory in _listed(state_dir() / "sessions"):
        if scope.takes(directory.name):
            shutil.rmtree(directory, ignore_errors=True)
            yield str(directory)
        elif directory.name == session_id():
            for inner in _listed(directory):  # NAME or NAME.SUFFIX
                if inner.name in scope.instances or inner.name.rpartition(".")[0] in scope.instances:
                    shutil.rmtree(inner, ignore_errors=True)
                    yield str(inner)


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir())
    except OSError:
        return []


class _Image:
    """An image as the engine lists it; docker-py's own list asks for each again, and one may have gone meanwhile."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.id = str(found["Id"])
        self.labels: dict[str, str] = found.get("Labels") or {}
        self.short_id = self.id.removeprefix("sha256:")[:12]


def _clean_docker(scope: _Scope) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    if not capabilities.docker():
        return (), (), ()
    import docker

    client = docker.from_env(timeout=30)
    try:
        labelled: dict[str, Any] = {"label": LABEL}

        def taken(thing: Any, labels: dict[str, str]) -> bool:
            return scope.takes_instance(labels.get(LABEL, ""), getattr(thing, "name", None) or "")

        def removed(things: list[Any], labels: Callable[[Any], Any], remove: Callable[[Any], Any]) -> tuple[str, ...]:
            lines = []
            for thing in things:
                with contextlib.suppress(docker.errors.APIError):  # gone already, or still used by another session
                    if taken(thing, labels(thing) or {}):
                        remove(thing)
                        lines.append(str(getattr(thing, "name", None) or thing.short_id))
            return tuple(lines)

        containers = removed(
            client.containers.list(all=True, filters=labelled, ignore_removed=True),
            lambda container: container.labels,
            _remove_container,
        )
        networks = removed(
            client.networks.list(filters=labelled),
            lambda network: network.attrs.get("Labels"),
            lambda network: network.remove(),
        )
        images = removed(
            [_Image(found) for found in client.api.images(all=True, filters=labelled)],
            lambda image: image.labels,
            lambda image: client.images.remove(image.id, force=True),
        )
        return containers, networks, images
    except Exception as error:  # the engine went away meanwhile, in whatever words requests and docker-py have
        print(f"Docker Engine could not be cleaned: {error}. Run `workbench clean` again.", file=sys.stderr)
        return (), (), ()
    finally:
        client.close()


def _remove_container(container: Any) -> None:
    if container.status == "paused":  # under gVisor it takes no signal then, and the engine would wait for it
        container.unpause()
    container.remove(force=True, v=True)


if __name__ == "__main__":  # how the keeper of a killed process calls it, with the names of its instances
    clean(instances=tuple(sys.argv[1:]))
    remove_session_dir_of_the_dead()
