"""First answers of changed code, and builds that are measured or recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import capabilities
from workbench.deployments import fake
from workbench.labs import (
    STEPS,
    boots,
    builds,
    delivered,
    first_answers,
    longest,
    named,
    obtained,
    quickest,
    slowest,
)
from workbench.labs.built import REBUILDS
from workbench.samples import sample
from workbench.service import Service


def test_each_deployment_answers_a_new_version_in_each_round(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from pathlib import Path\nVERSION = Path(__file__).with_name('workbench_version.txt').read_text()\n"
        f"def handler(event, context):\n    open({str(tmp_path / 'seen')!r}, 'a').write(VERSION)\n"
    )
    (tmp_path / "workbench_version.txt").write_text("")
    (tmp_path / "seen").touch()
    with fake.deploy(Service.from_dir(tmp_path, "app.handler")) as deployment:
        found = first_answers(named(deployment, "a"), named(deployment, "b"), payload={}, rounds=2)
    assert {name: len(values) for name, values in found.items()} == {"a": 2, "b": 2}
    seen = (tmp_path / "seen").read_text().splitlines()
    assert len(seen) == len(set(seen)) == 4


def test_the_quickest_is_so_by_its_median_and_every_sample_is_shown() -> None:
    found = {"vm": [0.2, 0.1, 9.0], "container": [1.0, 1.1, 0.05]}
    assert quickest(found) == "vm"
    panel = delivered(found, {"vm": "process", "container": "docker"})
    assert "container (docker)" in panel.text
    assert "9.0 s" in panel.html
    assert "200 ms" in panel.text


class Nothing:
    """A machine without the parts."""

    class docker:
        available = False

    qemu = docker


def test_without_qemu_the_recorded_boots_are_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "find", lambda: Nothing)
    measured = boots(sample("pricing"), {})
    assert measured.provenance.kind == "recorded"
    assert "recorded" in obtained(measured).lower()
    assert measured.provenance.source in obtained(measured)
    assert all(tuple(steps) == STEPS for steps in measured.detail["steps"])
    assert longest(measured) in STEPS


def test_without_an_engine_the_recorded_builds_are_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "find", lambda: Nothing)
    measured = builds(sample("pricing"))
    assert measured.provenance.kind == "recorded"
    assert measured.provenance.date
    assert slowest(measured) in REBUILDS.values()
