"""What instances print: kept in files that neither grow nor multiply without end."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.deployments import instance_log
from workbench.deployments.instance_log import InstanceLog, InstanceLogs


def test_files_are_changed_by_size_and_a_few_are_kept(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "i", file_bytes=100, kept_files=3)
    for number in range(100):
        log.append(b"%09d\n" % number)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["i", "i.1", "i.2"]
    assert all(p.stat().st_size <= 100 for p in tmp_path.iterdir())
    assert (tmp_path / "i").read_bytes().endswith(b"000000099\n")


def test_the_tail_goes_over_the_change_of_files(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "i", file_bytes=100)
    text = b"".join(b"%09d\n" % number for number in range(15))
    for at in range(0, len(text), 10):
        log.append(text[at : at + 10])
    assert (tmp_path / "i.1").exists()
    assert log.tail(120) == text[-120:]
    assert log.tail() == text


def test_one_file_alone(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "i", file_bytes=10, kept_files=1)
    log.append(b"first 10 b")
    log.append(b"then")
    assert log.tail() == b"then"
    assert [p.name for p in tmp_path.iterdir()] == ["i"]


def test_nothing_is_made_before_something_is_printed(tmp_path: Path) -> None:
    assert InstanceLog(tmp_path / "i").tail() == b""
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_no_more_loses_output_and_nothing_else(tmp_path: Path) -> None:
    log = InstanceLog(tmp_path / "absent" / "i")
    log.append(b"lost")
    assert log.tail() == b""


def test_logs_of_a_few_that_ended_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_log, "KEPT_ENDED", 2)
    logs = InstanceLogs("a service")
    try:
        for number in range(4):
            logs.open(f"i-{number}").append(b"said %d" % number)
            logs.end(f"i-{number}")
            logs.end(f"i-{number}")  # told twice, counted once
        assert [name for name in ("i-0", "i-1", "i-2", "i-3") if logs.find(name)] == ["i-2", "i-3"]
        kept = logs.find("i-3")
        assert kept is not None
        directory = kept._path.parent
        assert sorted(p.name for p in directory.iterdir()) == ["i-2", "i-3"]
    finally:
        logs.close()
    assert not directory.exists()
