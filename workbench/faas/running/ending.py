"""How an instance ended, in AWS's words."""

from __future__ import annotations

import signal
import time
from typing import Protocol


class Ended(Protocol):
    """What is asked of a sandbox that has ended."""

    def kill(self) -> None: ...
    def exit_code(self) -> int | None: ...
    def oom_killed(self) -> bool: ...


def how_it_ended(sandbox: Ended) -> str:
    """AWS's words for the end of a runtime. Blocks until it is really gone."""
    # Its descriptors close a moment before its exit status is there to read.
    deadline = time.monotonic() + 0.5
    while (code := sandbox.exit_code()) is None and time.monotonic() < deadline:
        time.sleep(0.002)
    sandbox.kill()
    if code is None:
        code = sandbox.exit_code()
    if sandbox.oom_killed():
        return "Runtime exited with error: signal: killed"
    if code is None or code == 0:
        return "Runtime exited without providing a reason"
    if code < 0:
        name = signal.strsignal(-code) or f"signal {-code}"
        return f"Runtime exited with error: signal: {name.lower()}"
    if code == 128 + signal.SIGKILL:
        return "Runtime exited with error: signal: killed"
    return f"Runtime exited with error: exit status {code}"
