"""What the checker deploys: the learner's handler, in a place that `CHECKED_PLACE` names.

laptop: the code lies in the current directory, and may be written to. elsewhere: the same, but the current directory is
another. read_only: nothing may be written but below the temporary directory. anywhere: both, as on a strict host.

Where a sandbox does not hold a directory read-only (a plain process does not), Python's audit events do it here, so
that the check finds the same on every machine.
"""

import errno
import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = {
    "os.mkdir": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.remove": 1,
    "os.rmdir": 1,
}
"""Audit events about files, and how many of their first arguments are paths."""


def copied() -> Path:
    """A copy of the code that may be written to, from which the handler is then imported."""
    target = Path(tempfile.mkdtemp()) / "service"
    shutil.copytree(HERE, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    sys.path.insert(0, str(target))
    return target


def hold_read_only() -> None:
    """From now on refuse this process every change of a file outside the temporary directory."""
    allowed = (os.path.realpath(tempfile.gettempdir()) + os.sep, "/dev/", "/proc/")

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        for path in written(event, arguments):
            real = os.path.realpath(os.fsdecode(path))
            if not real.startswith(allowed):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fsdecode(path))

    sys.addaudithook(refuse)


def written(event: str, arguments: tuple[Any, ...]) -> list[Any]:
    """The paths that an audit event is about to change."""
    if event == "open":
        paths = [arguments[0]] if isinstance(arguments[2], int) and arguments[2] & WRITES else []
    else:
        paths = list(arguments[: CHANGES.get(event, 0)])
    return [path for path in paths if isinstance(path, str | bytes | os.PathLike)]


place = os.environ.get("CHECKED_PLACE", "laptop")
if place == "laptop":
    os.chdir(copied())
elif place == "elsewhere":
    copied()
    os.chdir(tempfile.mkdtemp())
else:
    os.chdir(HERE if place == "read_only" else "/")
    hold_read_only()
handler = importlib.import_module("app").handler
