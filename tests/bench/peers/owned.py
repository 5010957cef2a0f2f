"""A peer as a process of ours: on loopback, ready when it answers, gone with all it started when we are.

It runs in a PID namespace of its own (`unshare` of util-linux). Whatever it starts, in whatever process group, ends
when the namespace's first process does, and that one ends with us, also when we are killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

PATIENCE_S = 90.0


@contextlib.contextmanager
def running(
    command: list[str], *, port: int, environment: Mapping[str, str], directory: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running in `directory` and answering HTTP at `port`; its output goes to `output` there.

    Raises RuntimeError with its last words when it ends before it answers.
    """
    output = directory / "output"
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.getuid() != 0:
        unshare += ["--user", "--map-root-user"]
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*unshare, *command],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,  # the terminal's Ctrl-C is ours to handle
            preexec_fn=end_with_parent,
        )
    try:
        _wait_until_it_answers(process, port, output)
        yield process
    finally:
        process.kill()
        process.wait()


def end_with_parent(by: signal.Signals = signal.SIGKILL) -> None:
    """Run in a new child: the kernel ends it when the thread that made it ends, for tests their main thread."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, by)


def stop_with_parent() -> None:
    """As `end_with_parent`, with time to clean up."""
    end_with_parent(signal.SIGTERM)


def free_port() -> int:
    """A port of the loopback interface that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    """Whether something on the loopback interface answers an HTTP request, whatever it answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = "\n".join(output.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"{process.args!r} does not answer. It last said:\n{said}")
        time.sleep(0.1)
