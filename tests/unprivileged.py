"""Run a command as a user without any privilege, for tests that show what such a user gets.

Root's home is closed to others, and the interpreter or this directory may lie below it. So the command runs in a mount
namespace of its own, where every directory that bars the way is covered by an open, empty one that holds only what the
interpreter and the project need, at the same paths. Nothing outside that namespace changes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

UID = 65534
"""The user that Linux distributions call nobody: it owns no file and no process."""

_PROJECT = Path(__file__).resolve().parent.parent

# $1: how many directories to keep, then those; then how many to cover, then those; then the command.
_SCRIPT = """
set -e
hold=$(mktemp -d)
mount -t tmpfs -o mode=755 tmpfs "$hold"
count=$1; shift; index=0; kept=
while [ "$index" -lt "$count" ]; do
    mkdir "$hold/$index"; mount --rbind "$1" "$hold/$index"
    eval "keep$index=\\$1"; shift; index=$((index + 1))
done
covers=$1; shift
while [ "$covers" -gt 0 ]; do
    mount -t tmpfs -o mode=755 tmpfs "$1"; shift; covers=$((covers - 1))
done
index=0
while [ "$index" -lt "$count" ]; do
    eval "path=\\$keep$index"
    if [ ! -d "$path" ]; then mkdir -p "$path"; mount --rbind "$hold/$index" "$path"; fi
    index=$((index + 1))
done
umount -l "$hold"; rmdir "$hold"
exec setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all -- "$@"
"""


def command(*arguments: str) -> list[str]:
    """The command line that runs `arguments` as that user, in its own mount namespace; only root can run it.

    Run it with the environment that `home` yields, so that it has a place to write.
    """
    keep = _needed()
    cover = sorted({blocked for path in keep if (blocked := _first_closed(path))})
    start = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "unprivileged"]
    return [*start, str(len(keep)), *keep, str(len(cover)), *cover, *arguments]


@contextlib.contextmanager
def home() -> Iterator[dict[str, str]]:
    """A home for that user, removed afterwards: yields this process's environment with every writable place in it."""
    # Not below tmp_path: pytest closes its directories to other users.
    directory = Path(tempfile.mkdtemp(prefix="workbench-nobody-", dir="/tmp"))
    try:
        os.chown(directory, UID, UID)
        own = ("XDG_", "JUPYTER_", "WORKBENCH_SESSION", "WORKBENCH_REQUIRE", "IPYTHONDIR")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        yield {**kept, "HOME": str(directory), "TMPDIR": str(directory), "USER": "nobody", "LOGNAME": "nobody"}
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _needed() -> list[str]:
    """Directories that the interpreter and the project need, none inside another."""
    paths = {str(Path(p).resolve()) for p in (sys.base_prefix, sys.prefix, _PROJECT, os.path.realpath(sys.executable))}
    paths = {p if os.path.isdir(p) else os.path.dirname(p) for p in paths} - {"/", "/usr", "/usr/bin"}
    return sorted(p for p in paths if not any(p.startswith(other + "/") for other in paths))


def _first_closed(path: str) -> str | None:
    """The outermost directory above `path` that others may not pass; None when the way is free."""
    way = [*reversed(Path(path).parents), Path(path)]
    return next((str(step) for step in way if not step.stat().st_mode & stat.S_IXOTH), None)
