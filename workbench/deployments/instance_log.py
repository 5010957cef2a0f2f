"""What instances print: each to a file of its own, rotated by size, a few kept, also for a while after an end."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import threading
from collections import deque
from pathlib import Path

from workbench.session import session_dir

FILE_BYTES = 256 * 1024
KEPT_FILES = 3
"""One being written and two before it: an instance keeps between half a megabyte and three quarters of its output."""

KEPT_ENDED = 20
"""Instances that have ended and whose output can still be read; that of older ones is removed."""

TAIL_BYTES = 64 * 1024


class InstanceLog:
    """The output of one instance in `path`, older output in `path.1`, `path.2`; no file is made before need."""

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES, kept_files: int = KEPT_FILES) -> None:
        self._path, self._file_bytes, self._kept = path, file_bytes, kept_files
        self._lock = threading.Lock()
        self._size = 0

    def append(self, data: bytes) -> None:
        """Write `data`, after a change of files where it would make this one too large; a full disk loses it."""
        with self._lock, contextlib.suppress(OSError):
            if self._size and self._size + len(data) > self._file_bytes:
                self._rotate()
            with self._path.open("ab") as file:
                file.write(data)
            self._size += len(data)

    def tail(self, count: int = TAIL_BYTES) -> bytes:
        """The last `count` bytes of what was printed."""
        with self._lock:
            last = b""
            for file in self._files():  # the newest first
                with contextlib.suppress(OSError):
                    last = file.read_bytes() + last
                if len(last) >= count:
                    break
            return last[-count:]

    def remove(self) -> None:
        """Delete the files."""
        with self._lock:
            for file in self._files():
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        return [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._kept))]

    def _rotate(self) -> None:
        files = self._files()
        for older, newer in zip(files[:0:-1], files[-2::-1], strict=True):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        files[0].unlink(missing_ok=True)  # where one file alone is kept
        self._size = 0


class InstanceLogs:
    """The logs of one deployment's instances, in the session's directory until the deployment is closed."""

    def __init__(self, name: str) -> None:
        self._name = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        self._lock = threading.Lock()
        self._directory: Path | None = None
        self._logs: dict[str, InstanceLog] = {}
        self._ended: deque[str] = deque()

    def open(self, instance_id: str) -> InstanceLog:
        """The log of a new instance."""
        with self._lock:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(dir=session_dir(), prefix=f"{self._name}.log."))
            log = self._logs[instance_id] = InstanceLog(self._directory / instance_id)
            return log

    def find(self, instance_id: str) -> InstanceLog | None:
        """The log of an instance that lives or has not ended long ago."""
        with self._lock:
            return self._logs.get(instance_id)

    def end(self, instance_id: str) -> None:
        """The instance has ended: its log is kept until KEPT_ENDED others have."""
        with self._lock:
            if instance_id not in self._logs or instance_id in self._ended:
                return
            self._ended.append(instance_id)
            old = [self._logs.pop(self._ended.popleft()) for _ in range(len(self._ended) - KEPT_ENDED)]
        for log in old:
            log.remove()

    def close(self) -> None:
        """Delete them all."""
        with self._lock:
            self._logs.clear()
            directory, self._directory = self._directory, None
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
