"""What is kept on disk, on a real SQLite file: also one that the last release left."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from workbench.errors import DeploymentError
from workbench.faas.asynchronous.event_store import EventStore
from workbench.faas.functions.storage import Storage, drop_layer, gave_number, keep_layer

# As version 0.1 made it; a state directory of its users looks like this.
FIRST_RELEASE = """
CREATE TABLE functions (name TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE events (
    id TEXT PRIMARY KEY, function TEXT NOT NULL, payload BLOB NOT NULL, client_context TEXT NOT NULL,
    accepted_s REAL NOT NULL, due_s REAL NOT NULL, attempts INTEGER NOT NULL);
INSERT INTO functions VALUES ('f', '{"name": "f"}');
INSERT INTO events VALUES ('id', 'f', x'7b7d', '', 1.0, 2.0, 1);
"""


def test_what_is_written_is_there_for_the_next(tmp_path: Path) -> None:
    async def write() -> None:
        first = Storage(tmp_path)
        await asyncio.gather(*(first.save_function(f"f{n}", f"record {n}") for n in range(50)))
        await first.attach("alias", "f1", "live", "before")
        await first.attach("alias", "f1", "live", "after")
        await first.attach("alias", "f2", "live", "other")
        await first.attach("version", "f1", "1", "one")
        await first.write([keep_layer("l", 1, "layer"), gave_number("layer:l", 1)])
        await first.write([keep_layer("l", 2, "newer"), gave_number("layer:l", 2)])
        await first.write([drop_layer("l", 2)])
        first.close()

    asyncio.run(write())
    second = Storage(tmp_path)
    assert len(second.functions()) == 50
    assert second.attachments("alias") == [("f1", "live", "after"), ("f2", "live", "other")]
    assert second.layers() == ["layer"]
    assert second.numbers() == {"layer:l": 2}, "a number is never given again"

    async def delete() -> None:
        await second.delete_function("f1")
        await second.detach("alias", "f2", "live")

    asyncio.run(delete())
    assert second.attachments("alias") == second.attachments("version") == [], "a function takes along what is its own"
    second.close()


def test_a_write_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    async def main() -> None:
        storage = Storage(tmp_path)
        with pytest.raises(sqlite3.Error):
            await storage.write([keep_layer("l", 1, "layer"), ("INSERT INTO nowhere VALUES (1)", ())])
        assert storage.layers() == []
        storage.close()

    asyncio.run(main())


def test_the_state_of_the_last_release_is_taken_up(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "platform.sqlite3")
    old.executescript(FIRST_RELEASE)
    old.close()
    storage = Storage(tmp_path)
    assert storage.functions() == ['{"name": "f"}']
    (event,) = EventStore(storage).events()
    assert (event.id, event.function, event.payload, event.attempts) == ("id", "f", b"{}", 1)
    storage.close()
    again = Storage(tmp_path)
    assert len(EventStore(again).events()) == 1
    again.close()


def test_the_state_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "platform.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(DeploymentError, match=r"newer version.*--state"):
        Storage(tmp_path)


def test_two_platforms_cannot_share_a_directory(tmp_path: Path) -> None:
    first = Storage(tmp_path)
    with pytest.raises(DeploymentError, match="--state"):
        Storage(tmp_path)
    first.close()
    Storage(tmp_path).close()
