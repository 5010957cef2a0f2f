"""A small process that outlives its owner by a moment, to remove the owner's instances if the owner was killed.

An instance ends itself when its owner is gone, but it cannot remove its own cgroup or directory, nor end itself while
a cgroup has it frozen. The keeper reads the names of living instances from a pipe; at end of file it removes those
still on its list. It is started with the first instance of a process and ends some seconds after the last.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path

from workbench.session import VARIABLE, session_dir, session_id

_LINGER_S = 3.0
"""How long a keeper with nothing to keep waits for the next instance: starting one costs about 2 ms."""

# What the keeper runs: it imports nothing until there is something to remove, so it idles in a few megabytes.
_WATCH = """
import os, sys
names, buffer = set(), b""
while chunk := os.read(0, 65536):
    *lines, buffer = (buffer + chunk).split(b"\\n")
    for line in lines:
        (names.add if line[:1] == b"+" else names.discard)(line[1:].decode())
if names:
    os.environ["PYTHONPATH"] = sys.argv[1]
    os.execv(sys.executable, [sys.executable, "-m", "workbench.cleaning", *sorted(names)])
"""


class _Keeper:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._names: set[str] = set()
        self._timer: threading.Timer | None = None

    def keep(self, name: str) -> None:
        session_dir()  # before anything else is made: by it the next start sees that somebody left something
        with self._lock:
            if self._owner != os.getpid():  # also after a fork: the parent's keeper is not ours
                self._process, self._owner, self._names = None, os.getpid(), set()
            self._names.add(name)
            self._write(f"+{name}\n")

    def forget(self, name: str) -> None:
        with self._lock:
            if self._owner != os.getpid() or name not in self._names:
                return
            self._names.discard(name)
            self._write(f"-{name}\n")
            if not self._names:
                self._timer = threading.Timer(_LINGER_S, self.end)
                self._timer.daemon = True
                self._timer.start()

    def end(self) -> None:
        """End the keeper if it has nothing to keep."""
        with self._lock:
            if self._owner != os.getpid() or self._names or self._process is None:
                return
            process, self._process = self._process, None
        if process.stdin is not None:
            process.stdin.close()
        process.wait()

    def _write(self, line: str) -> None:
        if self._process is None or self._process.poll() is not None:
            self._process = _start()
            line = "".join(f"+{name}\n" for name in sorted(self._names))
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(line.encode())
            except BrokenPipeError:  # somebody ended it just now; the next instance gets a new one
                pass


def _start() -> subprocess.Popen[bytes]:
    package_parent = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, "-S", "-E", "-c", _WATCH, package_parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env={**os.environ, VARIABLE: session_id()},
        start_new_session=True,  # so that Ctrl-C in the owner's terminal does not end it first
    )


_keeper = _Keeper()
keep = _keeper.keep
forget = _keeper.forget
atexit.register(_keeper.end)
