"""Processes, and virtual machines, that carry a dead session in their environment and are this user's."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import psutil

from workbench.cleaning.scope import Leftover, Scope
from workbench.session import VARIABLE, session_id

_SETTLE_S = 0.5


def find(scope: Scope) -> Iterator[Leftover]:
    """Each process that may go; looked for again when all found are dealt with, as one may have forked meanwhile."""
    seen: list[psutil.Process] = []
    while found := [process for process in _marked(scope) if process not in seen]:
        seen += found
        for process in found:
            with contextlib.suppress(psutil.Error):
                line = f"{process.pid} {' '.join(process.cmdline())[:100]}"
                yield Leftover(line, lambda process=process: _kill(process))  # type: ignore[misc]
    # A frozen one ends when its cgroup is thawed, which comes next; so do not wait for long. Not psutil's wait(): it
    # would take the exit status from whoever in this process started the one that ended.
    deadline = time.monotonic() + _SETTLE_S
    while any(_runs(process) for process in seen) and time.monotonic() < deadline:
        time.sleep(0.005)


def above() -> frozenset[int]:
    """This process and those that it comes from: a clean-up must not end who asked for it."""
    own = psutil.Process()
    return frozenset(process.pid for process in (own, *own.parents()))


def _kill(process: psutil.Process) -> bool:
    try:
        process.kill()  # checks that the number still is this process's
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied as error:
        raise PermissionError("the system does not allow to end it") from error
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _marked(scope: Scope) -> Iterator[psutil.Process]:
    own_user = os.getuid() if hasattr(os, "getuid") else None
    spared, below = above(), {process.pid for process in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in spared or (own_user is not None and process.uids().real != own_user):
                continue
            environment = process.environ()
            session = environment.get(VARIABLE, "")
            if process.pid in below and session == session_id():
                continue
            if scope.takes_instance(session, environment.get("WORKBENCH_INSTANCE", "")):
                yield process
