"""A machine made busy on purpose: processes that compute and do nothing else, for a bounded time."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from workbench.session import VARIABLE, session_id

LONGEST_S = 60.0
"""After so many seconds they end by themselves, whoever was to end them."""

_COMPUTE = "import time\nend = time.monotonic() + float({seconds})\nwhile time.monotonic() < end:\n    pass"


@contextlib.contextmanager
def hog(workers: int | None = None, longest_s: float = LONGEST_S) -> Iterator[tuple[int, ...]]:
    """Compute in so many processes (four for each processor by default) while the block runs; gives their ids."""
    count = workers or 4 * (os.cpu_count() or 1)
    command = [sys.executable, "-S", "-E", "-c", _COMPUTE.format(seconds=longest_s)]
    environment = {**os.environ, VARIABLE: session_id()}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL))
        yield tuple(process.pid for process in started)
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()
