"""What outlives the platform's process: functions, their code, and events accepted but not yet delivered.

SQLite in write-ahead mode with full synchronisation: when a write returns, it survives SIGKILL and power loss. Writes
go through one thread, so that the event loop never waits for a disk; those that queue up meanwhile share one commit.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from queue import SimpleQueue

from workbench.errors import DeploymentError
from workbench.package import unpack

_SCHEMA = """
CREATE TABLE IF NOT EXISTS functions (name TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, client_context TEXT NOT NULL,
    accepted_s REAL NOT NULL, due_s REAL NOT NULL, attempts INTEGER NOT NULL);
"""

_Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An asynchronous invocation as accepted; times in seconds since the epoch, so that they hold across restarts."""

    id: str
    function: str
    payload: bytes
    client_context: str
    accepted_s: float
    due_s: float
    attempts: int = 0


class Storage:
    """The state directory; raises DeploymentError when it cannot be used or another platform uses it."""

    def __init__(self, directory: Path) -> None:
        self._code = directory / "code"
        try:
            self._code.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                directory / "platform.sqlite3", check_same_thread=False, isolation_level=None, timeout=2
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            # Held for the connection's life: a second platform on this directory would deliver every event twice.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.executescript(_SCHEMA)
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise DeploymentError(
                f"The state directory {directory} cannot be used ({error}). Give another with --state, or stop the "
                "platform that uses it."
            ) from error
        self._queue: SimpleQueue[tuple[list[_Statement], Callable[[Exception | None], object]] | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="storage", daemon=True)
        self._writer.start()

    # ---- reading, at the start ---------------------------------------------------------------------------------------

    def functions(self) -> list[str]:
        """Every function's record, as saved."""
        return [row[0] for row in self._database.execute("SELECT record FROM functions ORDER BY name")]

    def events(self) -> list[StoredEvent]:
        """Every event that was accepted and not yet done with, oldest first."""
        return [StoredEvent(*row) for row in self._database.execute("SELECT * FROM events ORDER BY accepted_s")]

    # ---- writing -----------------------------------------------------------------------------------------------------

    async def save_function(self, name: str, record: str) -> None:
        """Keep a function's record."""
        await self._write([("INSERT OR REPLACE INTO functions VALUES (?, ?)", (name, record))])

    async def delete_function(self, name: str) -> None:
        """Forget a function and its events."""
        await self._write(
            [("DELETE FROM functions WHERE name = ?", (name,)), ("DELETE FROM events WHERE function = ?", (name,))]
        )

    async def save_event(self, event: StoredEvent) -> None:
        """Keep an event, or its new due time and attempts; on disk when this returns."""
        row = astuple(event)
        await self._write([("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)", row)])

    async def delete_event(self, event: str) -> None:
        """Forget an event: it is delivered, or given up."""
        await self._write([("DELETE FROM events WHERE id = ?", (event,))])

    async def _write(self, statements: list[_Statement]) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: Exception | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self._queue.put((statements, lambda error: loop.call_soon_threadsafe(settle, error)))
        await done

    def _write_loop(self) -> None:
        closing = False
        while not closing:
            jobs = [self._queue.get()]
            while not self._queue.empty():
                jobs.append(self._queue.get())
            closing = None in jobs
            wanted = [job for job in jobs if job is not None]
            error = self._commit(statement for statements, _ in wanted for statement in statements)
            for _, tell in wanted:
                try:
                    tell(error)
                except RuntimeError:  # the event loop has ended; nobody waits any more
                    pass
        self._database.close()

    def _commit(self, statements: Iterable[_Statement]) -> Exception | None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self._database.execute(sql, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            return error
        return None

    # ---- code --------------------------------------------------------------------------------------------------------

    def add_code(self, archive: bytes, sha256: str) -> None:
        """Keep a ZIP and unpack it; raises PackageError when it is refused. Blocks."""
        if self.code(sha256).is_dir():
            return
        scratch = Path(tempfile.mkdtemp(dir=self._code, prefix="."))
        try:
            scratch.chmod(0o755)
            unpack(archive, scratch / "task")
            (scratch / "package.zip").write_bytes(archive)
            os.rename(scratch, self._code / sha256)
        except OSError:
            if not self.code(sha256).is_dir():  # else a concurrent upload of the same code was quicker
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def code(self, sha256: str) -> Path:
        """The directory with the unpacked code."""
        return self._code / sha256 / "task"

    def archive(self, sha256: str) -> Path:
        """The ZIP as uploaded."""
        return self._code / sha256 / "package.zip"

    def keep_code(self, used: set[str]) -> None:
        """Remove all code but `used`. Blocks."""
        for path in self._code.iterdir():
            if path.name not in used and not path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Finish what is queued and let go of the directory."""
        self._queue.put(None)
        self._writer.join(10)
