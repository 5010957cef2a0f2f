"""The entry of the other languages becomes their host, however late a thread of its own would have come to run."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from workbench.isolation.rootfs import runtime_dir

# As a container's first process, on a machine so busy that a new thread waits for its turn while the first goes on.
BUSY = """
import os, runpy, sys, threading, time

os.getpid = lambda: 1
run, become = threading.Thread.run, os.execve

def late(thread):
    time.sleep(0.2)
    run(thread)

def slow(*arguments):
    time.sleep(0.6)
    become(*arguments)

threading.Thread.run, os.execve = late, slow
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_it_becomes_the_host_though_its_threads_come_late(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    entry = [str(runtime_dir() / "other_host.py"), "http_host.py", "/bin/sh", "-c", "exit 7"]
    with ours, theirs:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", BUSY, *entry],
            env={"LAMBDA_TASK_ROOT": str(tmp_path), "WORKBENCH_CONTROL_FD": str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            check=False,
            timeout=60,
        )
    assert ended.returncode == 7
