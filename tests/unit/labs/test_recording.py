"""Recordings ship: they say how they were made, and nothing of where their maker's files lie."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench import recorded
from workbench.labs.recording import run_of, without_home
from workbench.records import Measurement, Provenance

A_HOME = re.compile(r"/root/|/home/[^/]|/Users/[^/]")


def test_a_home_is_called_by_its_sign_wherever_it_stands() -> None:
    found = {"observed": ["may write to /home/ann/x, /etc", 3, None], "home": "/home/ann/y"}
    assert without_home(found, "/home/ann") == {"observed": ["may write to ~/x, /etc", 3, None], "home": "~/y"}
    assert without_home("/home/anna/x", "/home/ann") == "/home/anna/x"


def test_what_is_recorded_says_how_busy_the_machine_was_and_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    made = Measurement(
        "x", "vm", "process", "ms", (1.0,), Provenance("measured", "by /home/ann/bin/x"), detail={"at": ["/home/ann/y"]}
    )
    kept = run_of({"name": "s"}, (made,), "; load average before: 0.1").measurements[0]
    assert kept.provenance.how == "by ~/bin/x; load average before: 0.1"
    assert kept.detail == {"at": ["~/y"]}
    assert kept.samples == made.samples


@pytest.mark.parametrize("name", recorded.names())
def test_no_recording_names_a_home(name: str) -> None:
    assert not A_HOME.search((Path(recorded.__file__).parent / f"{name}.json").read_text(encoding="utf-8"))
