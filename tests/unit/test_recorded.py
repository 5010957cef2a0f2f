"""Recorded runs: found by name, and never shown as measured here."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.made_up_run import made_up_run
from workbench import recorded as shipped
from workbench.errors import RecordError


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    made_up_run(samples=3).save(tmp_path / "made_up.json")
    monkeypatch.setattr(shipped, "_PLACE", tmp_path)
    return "made_up"


def test_what_was_measured_there_is_recorded_here_with_machine_and_date(one: str) -> None:
    run = shipped.recorded(one)
    kinds = {m.experiment: m.provenance.kind for m in run.measurements}
    assert kinds["cold_start"] == kinds["isolation"] == "recorded"
    assert kinds["cost"] == "modelled"
    provenance = run.of("cold_start")["vm"].provenance
    assert "Test Processor 3000" in provenance.source
    assert provenance.date == run.created[:10]


def test_an_unknown_name_lists_those_there_are(one: str) -> None:
    with pytest.raises(RecordError, match="made_up"):
        shipped.recorded("absent")
    with pytest.raises(RecordError):
        shipped.recorded("../made_up")


@pytest.mark.parametrize("name", shipped.names() or ["none yet"])
def test_every_run_that_ships_can_be_read(name: str) -> None:
    if name == "none yet":
        assert shipped.names() == ()
        return
    run = shipped.recorded(name)
    assert run.measurements
    assert all(m.provenance.kind != "measured" for m in run.measurements)
    for m in run.measurements:  # the machine and the day are part of every recorded number
        assert m.provenance.source
        date.fromisoformat(m.provenance.date)
    assert run.environment["cpu"]
    assert "load average before" in " ".join(m.provenance.how for m in run.measurements)


def test_a_file_that_ships_is_known_as_one(tmp_path: Path) -> None:
    place = Path(shipped.__file__).parent
    assert shipped.ships(place / "lab_01.json")
    assert not shipped.ships(place / "__init__.py")
    assert not shipped.ships(tmp_path / "lab_01.json")
