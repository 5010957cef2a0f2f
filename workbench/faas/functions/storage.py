"""What outlives the platform's process: functions and what belongs to them, code, and events not yet delivered.

SQLite in write-ahead mode with full synchronisation: when a write returns, it survives SIGKILL and power loss. Writes
go through one thread, so that the event loop never waits for a disk; those that queue up meanwhile share one commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from workbench.errors import DeploymentError
from workbench.faas.functions.code_store import CodeStore, opt_name
from workbench.faas.functions.function import Function

_MIGRATIONS = (
    # 0 -> 1. Version 0.1 of this software left `functions` and `events`; a new directory has nothing.
    """
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, client_context TEXT NOT NULL,
    accepted_s REAL NOT NULL, due_s REAL NOT NULL, attempts INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS functions (name TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS queue (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, client_context TEXT NOT NULL,
    accepted_s REAL NOT NULL, due_s REAL NOT NULL, attempts INTEGER NOT NULL, qualifier TEXT NOT NULL,
    hops INTEGER NOT NULL, last TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
    attributes TEXT NOT NULL, made_s REAL NOT NULL, expires_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attachments (
    kind TEXT NOT NULL, function TEXT NOT NULL, qualifier TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (kind, function, qualifier));
CREATE TABLE IF NOT EXISTS layers (
    name TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS numbers (of TEXT PRIMARY KEY, last INTEGER NOT NULL);
INSERT INTO queue (id, function, payload, client_context, accepted_s, due_s, attempts, qualifier, hops, last)
    SELECT id, function, payload, client_context, accepted_s, due_s, attempts, '', 0, '' FROM events;
DROP TABLE events;
""",
    # 1 -> 2
    "CREATE TABLE event_source_mappings (uuid TEXT PRIMARY KEY, record TEXT NOT NULL)",
    # 2 -> 3. How far the streams of event source mappings were read.
    "CREATE TABLE checkpoints (mapping TEXT, shard TEXT, record TEXT NOT NULL, PRIMARY KEY (mapping, shard))",
    # 3 -> 4. What schedules fired last.
    "CREATE TABLE schedules (kind TEXT, key TEXT, record TEXT NOT NULL, PRIMARY KEY (kind, key))",
)
"""SQL that brings a database from schema N (its user_version) to N + 1; append, never change.

`attachments` are what belongs to a function or one of its versions and aliases, and goes with it: kinds "version",
"alias", "provisioned" and others. `numbers` are the last ones given to versions, which are never given again.
"""

Statement = tuple[str, tuple[object, ...]]
"""SQL and its values."""


class Storage:
    """The state directory; raises DeploymentError when it cannot be used or another platform uses it."""

    def __init__(self, directory: Path) -> None:
        try:
            self.files = CodeStore(directory / "code")
            self._database = sqlite3.connect(
                directory / "platform.sqlite3", check_same_thread=False, isolation_level=None, timeout=2
            )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            # Held for the connection's life: a second platform on this directory would deliver every event twice.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            _migrate(self._database, directory)
        except (OSError, sqlite3.Error) as error:
            raise DeploymentError(
                f"The state directory {directory} cannot be used ({error}). Give another with --state, or stop the "
                "platform that uses it."
            ) from error
        self._queue: SimpleQueue[tuple[list[Statement], Callable[[Exception | None], object]] | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="storage", daemon=True)
        self._writer.start()

    # ---- reading, at the start ---------------------------------------------------------------------------------------

    def functions(self) -> list[str]:
        """Every function's record, as saved."""
        return [row[0] for row in self._database.execute("SELECT record FROM functions ORDER BY name")]

    def attachments(self, kind: str) -> list[tuple[str, str, str]]:
        """Function, qualifier and record of everything of a kind."""
        sql = "SELECT function, qualifier, record FROM attachments WHERE kind = ? ORDER BY function, qualifier"
        return list(self._database.execute(sql, (kind,)))

    def layers(self) -> list[str]:
        """The record of every layer version."""
        return [row[0] for row in self._database.execute("SELECT record FROM layers ORDER BY name, version")]

    def numbers(self) -> dict[str, int]:
        """The last number given to a version, by what it is a version of."""
        return dict(self._database.execute("SELECT of, last FROM numbers").fetchall())

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """What a SELECT finds; for the parts that keep tables of their own here."""
        return list(self._database.execute(sql, values))

    # ---- writing -----------------------------------------------------------------------------------------------------

    async def save_function(self, name: str, record: str) -> None:
        """Keep a function's record."""
        await self.write([("INSERT OR REPLACE INTO functions VALUES (?, ?)", (name, record))])

    async def delete_function(self, name: str) -> None:
        """Forget a function, its events and what is attached to it."""
        await self.write(
            [
                ("DELETE FROM functions WHERE name = ?", (name,)),
                ("DELETE FROM queue WHERE function = ?", (name,)),
                ("DELETE FROM attachments WHERE function = ?", (name,)),
            ]
        )

    async def attach(self, kind: str, function: str, qualifier: str, record: str) -> None:
        """Keep what belongs to a function, in place of what is there."""
        await self.write([attach(kind, function, qualifier, record)])

    async def detach(self, kind: str, function: str, qualifier: str) -> None:
        """Forget what belongs to a function."""
        await self.write([detach(kind, function, qualifier)])

    async def write(self, statements: list[Statement]) -> None:
        """Carry out all of `statements` or none; on disk when this returns. Raises sqlite3.Error."""
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

    def _commit(self, statements: Iterable[Statement]) -> Exception | None:
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

    def code(self, sha256: str) -> Path:
        """The directory with the unpacked code."""
        return self.files.tree(sha256)

    def archive(self, sha256: str) -> Path:
        """The ZIP as uploaded."""
        return self.files.archive(sha256)

    def opt(self, function: Function) -> Path | None:
        """The directory that the function sees at /opt; None when it has no layers."""
        name = opt_name(function.layers)
        return self.files.tree(name) if name else None

    def close(self) -> None:
        """Finish what is queued and let go of the directory."""
        self._queue.put(None)
        self._writer.join(10)


def attach(kind: str, function: str, qualifier: str, record: str) -> Statement:
    """For `write`: what `Storage.attach` does."""
    return "INSERT OR REPLACE INTO attachments VALUES (?, ?, ?, ?)", (kind, function, qualifier, record)


def detach(kind: str, function: str, qualifier: str) -> Statement:
    """For `write`: what `Storage.detach` does."""
    return "DELETE FROM attachments WHERE kind = ? AND function = ? AND qualifier = ?", (kind, function, qualifier)


def keep_layer(name: str, version: int, record: str) -> Statement:
    """For `write`: keep a layer version."""
    return "INSERT OR REPLACE INTO layers VALUES (?, ?, ?)", (name, version, record)


def drop_layer(name: str, version: int) -> Statement:
    """For `write`: forget a layer version."""
    return "DELETE FROM layers WHERE name = ? AND version = ?", (name, version)


def gave_number(of: str, last: int) -> Statement:
    """For `write`: that number is taken, whatever becomes of what has it."""
    return "INSERT OR REPLACE INTO numbers VALUES (?, ?)", (of, last)


def _migrate(database: sqlite3.Connection, directory: Path) -> None:
    database.execute("BEGIN IMMEDIATE")  # also finds out whether another platform is here
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        database.execute("ROLLBACK")
        raise DeploymentError(
            f"The state directory {directory} was written by a newer version of this software (schema {version}; this "
            f"one knows {len(_MIGRATIONS)}). Upgrade, or give another directory with --state."
        )
    for script in _MIGRATIONS[version:]:
        for statement in script.split(";"):  # executescript would commit between them
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    database.execute("COMMIT")
