"""Control groups `workbench-SESSION/NAME`, of version 1 and 2, with what is in them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.cleaning.processes import above
from workbench.cleaning.scope import Leftover, Scope
from workbench.session import session_id

_CGROUPS = Path("/sys/fs/cgroup")
_PREFIX = "workbench-"
_PATIENCE_S = 5.0


def find(scope: Scope) -> Iterator[Leftover]:
    """Each instance's group that may go, then the sessions' groups that these were in."""
    instances, homes = _groups(scope)
    spared = above()
    for group in instances:
        # All are ended with the first: on v1 a process is in several groups, and what one has frozen ends only when
        # that one is thawed.
        yield Leftover(str(group), lambda group=group: _remove(group, instances, spared))  # type: ignore[misc]
    for home in homes:
        if scope.takes(home.name.removeprefix(_PREFIX)):
            yield Leftover(str(home), lambda home=home: _remove(home, [home], spared))  # type: ignore[misc]
        elif not _listed(home):
            with contextlib.suppress(OSError):  # refused while other instances are in it
                home.rmdir()


def _groups(scope: Scope) -> tuple[list[Path], list[Path]]:
    instances, homes = [], []
    for folder, names, _ in os.walk(_CGROUPS):
        for name in names:
            session = name.removeprefix(_PREFIX)
            if session == name or not (scope.takes(session) or session == session_id()):
                continue
            homes.append(Path(folder, name))
            instances += [group for group in _listed(homes[-1]) if scope.takes_instance(session, group.name)]
    return instances, homes


def _remove(group: Path, together: list[Path], spared: frozenset[int]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        for each in together:
            _end_members(each, spared)
        try:
            group.rmdir()
            return True
        except FileNotFoundError:
            return False
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.005)


def _end_members(group: Path, spared: frozenset[int]) -> None:
    with contextlib.suppress(OSError, ValueError):
        for pid in {int(line) for line in (group / "cgroup.procs").read_text().split()} - spared:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    for file, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
        with contextlib.suppress(OSError):
            if (group / file).exists():
                (group / file).write_text(text)


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir())
    except OSError:
        return []
