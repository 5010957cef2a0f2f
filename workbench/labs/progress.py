"""What a learner has done, kept on disk: it survives a kernel restart, two kernels at once and a damaged file."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has no flock: there the last of two kernels that write at once wins.
    fcntl = None  # type: ignore[assignment]

Content = dict[str, Any]

_in_memory: dict[Path, Content] = {}


def progress_dir() -> Path:
    """The directory of the progress files, `$XDG_DATA_HOME/workbench/progress` (made on the first write)."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "workbench" / "progress"


def now() -> str:
    """The time, in UTC, as progress files write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Store:
    """One progress file: a JSON object whose entries must satisfy `valid`.

    A file that is damaged is set aside under a name that says so, never overwritten, and never stops a lab. Where the
    disk refuses a write the entries live in memory until the kernel ends. `notice` tells the learner of either.
    """

    def __init__(self, name: str, valid: Callable[[Any], bool], directory: Path | None = None) -> None:
        self.path = (directory or progress_dir()) / f"{name}.json"
        self._valid = valid
        self.notice = ""

    def read(self) -> Content:
        """All entries, by key; empty when nothing was kept yet or the file had to be set aside."""
        if self.path in _in_memory:
            return dict(_in_memory[self.path])
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(content, dict) or not all(self._valid(entry) for entry in content.values()):
                raise ValueError("it is JSON, but not a record of progress")
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            self._set_aside(str(error))
            return {}
        except OSError as error:
            self.notice = f"Your progress in {self.path} cannot be read ({error.strerror}); this lab starts afresh."
            return {}
        return content

    def update(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Replace the entry `key` by `change(entry or None)` and return it; atomic, and safe beside another kernel."""
        with self._lock():
            content = self.read()
            content[key] = change(content.get(key))
            self._write(content)
            return content[key]

    def forget(self) -> None:
        """Remove what was kept, to start over."""
        _in_memory.pop(self.path, None)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self, content: Content) -> None:
        name = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
            _in_memory.pop(self.path, None)
        except OSError as error:
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)
            _in_memory[self.path] = content
            self.notice = (
                f"Your progress cannot be kept in {self.path.parent} ({error.strerror}): only until you leave."
            )

    def _set_aside(self, why: str) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
        try:
            os.replace(self.path, aside)
            self.notice = (
                f"The record of your progress was damaged ({why}). It is kept as {aside.name}; a new one began."
            )
        except OSError:
            self.notice = f"The record of your progress is damaged ({why}) and cannot be replaced."
            _in_memory[self.path] = {}

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = open(self.path.with_name(".lock"), "a")  # noqa: SIM115 - closed below, where it unlocks
        except OSError:
            yield  # Nothing can be written here either; `_write` says so.
            return
        with file:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # some network file systems have no locks
                    fcntl.flock(file, fcntl.LOCK_EX)
            yield
