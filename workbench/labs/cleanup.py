"""Proof that a lab cleans up: what this session owns on the machine, before, during and after."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from workbench.labs.panel import Panel, say, table
from workbench.session import VARIABLE, session_id, state_dir

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Owned:
    """What a session owns, each thing as one line a person can look up."""

    processes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether it owns none of them."""
        return not any(getattr(self, field.name) for field in fields(self))

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}

    def __str__(self) -> str:
        if self.nothing:
            return "nothing: no process, container, network, image, cgroup or directory"
        return "\n".join(f"{kind}: {line}" for kind in self.counts() for line in getattr(self, kind))


def owned(session: str | None = None) -> Owned:
    """What `session` (this one by default) owns now, found by asking the kernel, the file system and Docker Engine.

    The process that asks and those it was started by are left out: it is the owner.
    """
    name = session or session_id()
    return Owned(
        tuple(_processes(name)), *_of_engine(name), cgroups=tuple(_cgroups(name)), directories=tuple(_directories(name))
    )


def settled(timeout_s: float = 10.0) -> Owned:
    """What this session owns once it owns nothing, or when `timeout_s` seconds have passed."""
    deadline = time.monotonic() + timeout_s
    while not (found := owned()).nothing and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def proof(before: Owned, during: Owned, within_s: float = 10.0) -> Panel:
    """The clean-up proof: counts before, while something ran, and now, with every leftover named.

    "Now" is as soon as nothing is left, or `within_s` seconds from now: what watches over instances lingers a little.
    """
    after = settled(within_s)
    rows = [
        [kind, str(before.counts()[kind]), str(during.counts()[kind]), str(after.counts()[kind])]
        for kind in after.counts()
    ]
    html, text = table(["this session owns", "before", "while it ran", "now"], rows)
    if after.nothing:
        return Panel("Nothing is left", html, text, "good")
    left = say("", str(after), "Run wb.clean() to remove it, and restart the kernel if it stays.")
    return Panel("Something is left", html + left.html, f"{text}\n{left.text}", "bad")


def _processes(session: str) -> Iterator[str]:
    this = psutil.Process()
    owners = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in owners and process.environ().get(VARIABLE) == session:
                yield f"{process.pid} {' '.join(' '.join(process.cmdline()).split())[:100]}".strip()


def _of_engine(session: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Containers, networks and images with the session's label; none where no engine answers."""
    import docker
    import docker.errors
    import requests.exceptions

    unreachable = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)
    with contextlib.suppress(*unreachable), contextlib.closing(docker.from_env(timeout=5)) as engine:
        label: dict[str, Any] = {"label": f"workbench.session={session}"}
        containers = engine.containers.list(all=True, filters=label, ignore_removed=True)
        return (
            tuple(f"{container.name} ({container.status})" for container in containers),
            tuple(str(network.name) for network in engine.networks.list(filters=label)),
            tuple((image.tags or [image.short_id])[0] for image in engine.images.list(filters=label)),
        )
    return (), (), ()


def _cgroups(session: str) -> Iterator[str]:
    # Version 2 has one tree, version 1 one a controller. A group's own subgroups are its instances.
    for group in [*CGROUPS.glob(f"workbench-{session}"), *CGROUPS.glob(f"*/workbench-{session}")]:
        yield str(group)
        yield from (str(child) for child in group.iterdir() if child.is_dir())


def _directories(session: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        inside = sorted((state_dir() / "sessions" / session).iterdir())
        yield from (str(path) for path in inside if not path.name.startswith("."))  # notes of the session to itself
