"""Paths of Unix sockets that a system takes, however long the path of its temporary directory is."""

from __future__ import annotations

import functools
import os
from pathlib import Path

_MOST_BYTES = 103
"""macOS takes 103 bytes, Linux 107 (unix(4), unix(7))."""


def reachable(path: str | Path) -> str:
    """The path as bind and connect take it: one that is too long goes by its directory, which this process keeps open.

    Raises OSError where there is no such directory.
    """
    directory, name = os.path.split(path)
    if len(os.fsencode(path)) <= _MOST_BYTES:
        return str(path)
    return f"/proc/self/fd/{_open(directory)}/{name}"


@functools.cache
def _open(directory: str) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
