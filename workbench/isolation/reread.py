"""Files of the kernel that are read again and again: opened once, as opening costs more than reading.

Memory is measured after every invocation, on the platform's event loop.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

_SIZE = 65536


class Reread:
    """The files of one instance; closed with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[Path, str], int] = {}

    def read(self, directory: Path, name: str) -> bytes:
        """The content now, of at most 64 KB; raises OSError."""
        key = directory, name
        with self._lock:
            number = self._open.get(key)
            if number is None:
                number = self._open[key] = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(number, _SIZE, 0)

    def resident_peak(self, pid: int) -> int:
        """The most memory a process ever had resident, in bytes (the kernel's VmHWM); 0 where that cannot be read."""
        directory = Path(f"/proc/{pid}")
        try:
            status = self.read(directory, "status")
            start = status.index(b"VmHWM:")
            return int(status[start : status.index(b"\n", start)].split()[1]) * 1024
        except (OSError, ValueError):
            self._forget(directory, "status")  # it has ended: a new one of its number has a file of its own
            return 0

    def _forget(self, directory: Path, name: str) -> None:
        with self._lock:
            number = self._open.pop((directory, name), None)
            if number is not None:
                os.close(number)

    def close(self) -> None:
        """Close them all; what is read again is opened again."""
        with self._lock:
            for number in self._open.values():
                os.close(number)
            self._open.clear()

    def __del__(self) -> None:
        self.close()
