"""What CloudWatch would show of an instance: START, END and REPORT around what the function printed."""

from __future__ import annotations

import re
from collections import deque

TAIL_BYTES = 4096
"""How much of an invocation's log `LogType=Tail` returns (Lambda API reference, Invoke)."""

KEPT_BYTES = 64 * 1024
"""How much of an instance's output is kept."""

# awslambdaric separates the lines of one error by a carriage return when its output is a plain stream.
_LONE_CR = re.compile(rb"\r(?!\n)")


def start_line(request: str, version: str = "$LATEST") -> bytes:
    """The line before an invocation."""
    return f"START RequestId: {request} Version: {version}\n".encode()


def end_line(request: str) -> bytes:
    """The line after it."""
    return f"END RequestId: {request}\n".encode()


def report_line(
    request: str, duration_ms: float, billed_ms: int, memory_mb: int, max_memory_mb: int, init_ms: float | None = None
) -> bytes:
    """The accounting line, tab for tab as AWS prints it; with `init_ms` that of a cold start."""
    line = (
        f"REPORT RequestId: {request}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
        f"Memory Size: {memory_mb} MB\tMax Memory Used: {max_memory_mb} MB\t"
    )
    if init_ms is not None:
        line += f"Init Duration: {init_ms:.2f} ms\t"
    return (line + "\n").encode()


class InstanceLog:
    """The last 64 KB that one instance printed, and apart what belongs to the invocation it runs."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._current: list[bytes] = []
        self._current_size = 0

    def write(self, chunk: bytes) -> None:
        """Add what the function printed."""
        if b"\r" in chunk:
            chunk = _LONE_CR.sub(b"\n", chunk)
        self.add(chunk)

    def add(self, line: bytes) -> None:
        """Add a line of the platform's own."""
        self._kept.append(line)
        self._size += len(line)
        while self._size > KEPT_BYTES and len(self._kept) > 1:
            self._size -= len(self._kept.popleft())
        self._current.append(line)
        self._current_size += len(line)
        if self._current_size > 2 * KEPT_BYTES:
            self._current = [b"".join(self._current)[-TAIL_BYTES:]]
            self._current_size = TAIL_BYTES

    def begin(self, request: str, version: str = "$LATEST") -> None:
        """An invocation starts; what was printed since the last one ended (a cold start's init) belongs to it."""
        self.add(start_line(request, version))

    def finish(self) -> list[bytes]:
        """The invocation ended: its lines; the next one's begin here."""
        lines, self._current, self._current_size = self._current, [], 0
        return lines

    def text(self) -> bytes:
        """All that is kept."""
        return b"".join(self._kept)[-KEPT_BYTES:]


def tail(lines: list[bytes]) -> bytes:
    """The last 4 KB of an invocation's log."""
    return b"".join(lines)[-TAIL_BYTES:]
