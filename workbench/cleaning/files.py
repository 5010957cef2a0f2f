"""Session directories, what is mounted below them, and what was half made in the cache when its maker was killed."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from workbench.cleaning.scope import Leftover, Scope
from workbench.session import ENGINE_NOTE, UNFINISHED, cache_dir, session_id, state_dir

_DETACH = 2
"""MNT_DETACH of umount(2): taken out of the tree at once, also when something has it open."""

_OWNER = re.compile(re.escape(UNFINISHED) + r"(\d+-\w+-[0-9a-f]{8})-.*", re.DOTALL)


def find_mounts(scope: Scope) -> Iterator[Leftover]:
    """Each mount below a dead session's directory, the innermost first: before files go, so that none beyond does."""
    sessions = str(state_dir() / "sessions") + "/"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:  # not Linux: nothing of ours is mounted there
        return
    places = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    for place in reversed(places):
        if place.startswith(sessions) and scope.takes(place.removeprefix(sessions).partition("/")[0]):
            yield Leftover(place, lambda place=place: _unmount(place))  # type: ignore[misc]


def find_directories(scope: Scope, *, reachable: bool = True) -> Iterator[Leftover]:
    """Each dead session's directory, and those of the named instances in our own.

    Where no engine could be reached, that of a session which used one stays, as the reminder that somebody has to come
    back: the next start looks for them.
    """
    for directory in _listed(state_dir() / "sessions"):
        if scope.takes(directory.name):
            if not reachable and (directory / ENGINE_NOTE).exists():
                continue
            yield Leftover(str(directory), lambda directory=directory: _remove(directory))  # type: ignore[misc]
        elif directory.name == session_id():
            for inner in _listed(directory):  # NAME or NAME.SUFFIX
                if inner.name in scope.instances or inner.name.rpartition(".")[0] in scope.instances:
                    yield Leftover(str(inner), lambda inner=inner: _remove(inner))  # type: ignore[misc]


def find_unfinished(scope: Scope) -> Iterator[Leftover]:
    """Each entry of the cache that a dead session was making, and each lock that nobody holds."""
    cache = cache_dir()
    for folder in (cache, cache / "packages", cache / "unpacked"):
        for path in sorted(folder.glob(f"{UNFINISHED}*")):
            named = _OWNER.fullmatch(path.name)
            if named and scope.takes(named[1]):
                yield Leftover(str(path), lambda path=path: _remove(path))  # type: ignore[misc]
        for lock in sorted(folder.glob(".*.lock")):
            if _take(lock, remove=False):
                yield Leftover(str(lock), lambda lock=lock: _take(lock, remove=True))  # type: ignore[misc]


def _unmount(place: str) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(place), _DETACH) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True


def _remove(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:  # another clean-up is at it too: what it has not reached yet is ours
        if path.exists():
            return _remove(path)
        return False
    return True


def _take(lock: Path, *, remove: bool) -> bool:
    """Whether nobody holds `lock` (its maker, killed, cannot); `remove` it while we do.

    Who waits for it meanwhile goes on with its file, as after an ordinary end of `published.publish`.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if remove:
            lock.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.is_dir())
    except OSError:
        return []
