"""Who owns what was started, so that it can be found and removed even after its owner was killed.

A session is one owning process: `PID-START-PLACE`, where PLACE tells machines and PID namespaces apart, as several
may share one Docker Engine or one directory. Children inherit it through the environment variable
WORKBENCH_SESSION, so a platform started by a notebook belongs to the notebook. Everything a session makes carries its
name: the directory `sessions/ID` below `state_dir()`, processes (the variable in their environment), cgroups
(`workbench-ID`), containers and images (label `workbench.session=ID`).
"""

from __future__ import annotations

import atexit
import functools
import os
import platform
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path

import psutil

VARIABLE = "WORKBENCH_SESSION"

ENGINE_NOTE = ".engine"
"""The file in a session's directory that `note_engine` makes."""

UNFINISHED = ".unfinished-"
"""How names begin of what is being made in the cache; see `unfinished_prefix`."""


def session_id() -> str:
    """This process's session: inherited, or this process's own."""
    return os.environ.get(VARIABLE) or _own(os.getpid())


def is_alive(session: str) -> bool:
    """Whether the process that owns `session` still runs (the same process, not a reuse of its number).

    True also for a session of another place, which cannot be looked into from here.
    """
    pid, _, rest = session.partition("-")
    started, _, place = rest.partition("-")
    return place != _place() or (pid.isdigit() and _start_time(int(pid)) == started)


def cache_dir() -> Path:
    """Where what can be rebuilt is kept between sessions (root file system, unpacked packages)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "workbench"
    path.mkdir(parents=True, exist_ok=True)
    return path


def state_dir() -> Path:
    """Where sessions keep their directories: short enough for a Unix socket's path, this user's alone."""
    path = Path(tempfile.gettempdir()) / f"workbench-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else. Set TMPDIR to a directory of your own.")
    return path


def unfinished_prefix() -> str:
    """The beginning of the name of something that is being made in the cache: `workbench clean` sees whose it was."""
    return f"{UNFINISHED}{session_id()}-"


def session_dir() -> Path:
    """This session's directory, made on first use; removed when its owner ends, or by `workbench clean`."""
    path = state_dir() / "sessions" / session_id()
    path.mkdir(parents=True, mode=0o700, exist_ok=True)
    if VARIABLE not in os.environ:  # the owner removes it at its end; whoever inherited the session does not
        _remove_at_exit(os.getpid(), path)
    return path


def note_engine() -> None:
    """Note that this session has asked a Docker Engine for something: if killed, it may have left it there."""
    (session_dir() / ENGINE_NOTE).touch()


def remove_session_dir() -> None:
    """Remove this session's directory and all in it."""
    shutil.rmtree(state_dir() / "sessions" / session_id(), ignore_errors=True)


def remove_session_dir_of_the_dead(within_s: float = 1.0) -> None:
    """Remove this session's directory if its owner, another process, ends by then: for who saw it being killed."""
    deadline = time.monotonic() + within_s
    while is_alive(session_id()):  # its descriptors close, which is how one notices, before it is gone
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
    remove_session_dir()


@functools.cache
def _remove_at_exit(owner: int, path: Path) -> None:
    def remove() -> None:
        if os.getpid() == owner:  # not in a fork of it
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)


@functools.cache
def _own(pid: int) -> str:
    return f"{pid}-{_start_time(pid)}-{_place()}"


@functools.cache
def _place() -> str:
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return f"{zlib.crc32(f'{platform.node()} {namespace}'.encode()):08x}"


def _start_time(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return "gone"
        return _ticks(pid) if sys.platform == "linux" else str(round(process.create_time() * 100))
    except (psutil.Error, OSError):
        return "gone"


def _ticks(pid: int) -> str:
    # Clock ticks from the machine's start to the process's, of which a clock that is set changes nothing. psutil tells
    # the time of day instead: after a correction by a second every living session would look dead (proc_pid_stat(5)).
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    return after_name.split()[19]
