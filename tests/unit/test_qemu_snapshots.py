"""Snapshots of virtual machines: one template a version, and nobody who has one waits for another's machine."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.isolation.machine.qemu_snapshots import Snapshots
from workbench.sandbox import SandboxSpec
from workbench.service import Resources


def spec(name: str, handler: str = "app.handler") -> SandboxSpec:
    return SandboxSpec(name, "http_host.py", handler, Path("code"), Resources())


class Template:
    def __init__(self, restored: Any) -> None:
        self._restored, self.closed = restored, False

    def launch(self, spec: SandboxSpec) -> Any:
        self._restored()
        return SimpleNamespace(name=spec.name)

    def close(self) -> None:
        self.closed = True


def test_machines_are_restored_at_the_same_time_from_one_template(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3, timeout=10)
    made: list[Template] = []

    def saved(spec: SandboxSpec) -> Template:
        made.append(Template(together.wait))
        return made[-1]

    monkeypatch.setattr(Snapshots, "_saved", staticmethod(saved))
    snapshots = Snapshots()
    with ThreadPoolExecutor(3) as pool:
        boxes = list(pool.map(snapshots.launch, [spec(f"box-{number}") for number in range(3)]))
    assert [box.name for box in boxes] == ["box-0", "box-1", "box-2"]
    assert len(made) == 1
    snapshots.close()
    assert made[0].closed


def test_each_version_has_a_template_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def saved(spec: SandboxSpec) -> Template:
        made.append(spec.handler)
        return Template(lambda: None)

    monkeypatch.setattr(Snapshots, "_saved", staticmethod(saved))
    snapshots = Snapshots()
    for handler in ("app.one", "app.two", "app.one"):
        snapshots.launch(spec("box", handler))
    assert made == ["app.one", "app.two"]
