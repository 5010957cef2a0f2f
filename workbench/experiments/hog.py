"""A machine made busy on purpose: processes that compute and do nothing else, for a bounded time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from workbench.session import VARIABLE, session_id

LONGEST_S = 60.0
"""After so many seconds they end by themselves, and as soon as their owner is gone."""

_COMPUTE = """
import os, time
end, owner = time.monotonic() + {seconds}, {owner}
while time.monotonic() < end and os.getppid() == owner:
    for _ in range(20_000):
        pass
"""


@contextlib.contextmanager
def hog(workers: int | None = None, longest_s: float = LONGEST_S) -> Iterator[tuple[int, ...]]:
    """Compute in so many processes (four for each processor by default) while the block runs; gives their ids."""
    count = workers or 4 * (os.cpu_count() or 1)
    command = [sys.executable, "-S", "-E", "-c", _COMPUTE.format(seconds=float(longest_s), owner=os.getpid())]
    environment = {**os.environ, VARIABLE: session_id()}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            # Each in a session of its own: Linux may share the CPU among sessions first (autogroup), and all of them in
            # one would get no more than their victim, however many they are.
            started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True))
        yield tuple(process.pid for process in started)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
