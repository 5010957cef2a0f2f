"""Progress survives restarts, two writers, damage and a disk that refuses."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.labs import progress
from workbench.labs.progress import Store


def _number(entry: Any) -> bool:
    return isinstance(entry, int)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store("numbers", _number, tmp_path / "progress")


def test_it_begins_empty_and_makes_nothing(store: Store) -> None:
    assert store.read() == {}
    assert not store.path.parent.exists()


def test_what_was_kept_is_there_after_a_restart(store: Store) -> None:
    store.update("a", lambda old: 1)
    assert Store("numbers", _number, store.path.parent).read() == {"a": 1}


def test_an_update_sees_the_last_entry_and_leaves_the_others(store: Store) -> None:
    store.update("a", lambda old: 1)
    store.update("b", lambda old: 7)
    assert store.update("a", lambda old: old + 1) == 2
    assert store.read() == {"a": 2, "b": 7}


def test_a_new_file_is_written_whole_or_not_at_all(store: Store) -> None:
    store.update("a", lambda old: 1)

    def fails(old: Any) -> Any:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        store.update("a", fails)
    assert store.read() == {"a": 1}
    assert [p.name for p in store.path.parent.iterdir() if p.name != ".lock"] == ["numbers.json"]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe", b"[1, 2]", b'{"a": "seven"}', b"null", b"[" * 100_000, b'{"a": 1} trailing']
)
def test_a_damaged_file_is_set_aside_and_said(store: Store, damage: bytes) -> None:
    store.path.parent.mkdir()
    store.path.write_bytes(damage)
    assert store.read() == {}
    assert "damaged" in store.notice
    aside = [p for p in store.path.parent.iterdir() if "damaged" in p.name]
    assert [p.read_bytes() for p in aside] == [damage]
    store.update("a", lambda old: 1)
    assert json.loads(store.path.read_text()) == {"a": 1}


@given(st.binary(max_size=200))
def test_no_content_of_the_file_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    store = Store("numbers", _number, tmp_path_factory.mktemp("any"))
    store.path.write_bytes(content)
    assert all(isinstance(value, int) for value in store.read().values())


def test_where_nothing_can_be_written_it_lives_in_memory_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a directory should be")
    store = Store("numbers", _number, tmp_path / "file")
    store.update("a", lambda old: 1)
    assert store.read() == {"a": 1}
    assert "until you leave" in store.notice
    store.forget()
    assert store.read() == {}


def test_two_writers_lose_nothing(store: Store) -> None:
    def count() -> None:
        other = Store("numbers", _number, store.path.parent)
        for _ in range(25):
            other.update("a", lambda old: (old or 0) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read() == {"a": 100}


def test_the_place_follows_the_users_own_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert progress.progress_dir() == tmp_path / "workbench" / "progress"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert progress.progress_dir() == tmp_path / "home" / ".local" / "share" / "workbench" / "progress"
