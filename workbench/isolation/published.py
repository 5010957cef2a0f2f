"""Directories that are made once and then shared: built aside, and given their name when they are whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.session import unfinished_prefix


def publish(target: Path, build: Callable[[Path], None]) -> None:
    """Have `build` fill a new directory and name it `target` at the end: others see nothing of it, or all.

    Whoever else wants it meanwhile, in this process or another, waits for it instead of building it too. The directory
    is removed where `build` raises.
    """
    with _alone(target):
        if not target.is_dir():
            _build(target, build)


def _build(target: Path, build: Callable[[Path], None]) -> None:
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=unfinished_prefix()))
    try:
        build(building)
        building.chmod(0o755)
        os.rename(building, target)
    except OSError:
        if not target.is_dir():  # else another process was quicker; its tree is the same
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    if sys.platform == "win32":  # no such lock: two may build at a time, and the first stands
        yield
        return
    import fcntl

    lock = target.parent / f".{target.name}.lock"
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # the kernel lets go of it if we are killed
        yield
    finally:
        lock.unlink(missing_ok=True)  # who waits for this one finds `target`; who comes later too
        os.close(descriptor)


def open_to_all(root: Path) -> None:
    """Let everybody read the tree: instances run as a user that owns nothing."""
    for directory, _, names in os.walk(root):
        os.chmod(directory, 0o755)
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & 0o111 else 0o644)


def stamp(path: Path) -> str:
    """What tells one version of a program's file from another, for the name of what is made of it."""
    state = path.stat()
    return f"{path} {state.st_size} {state.st_mtime_ns}\n"
