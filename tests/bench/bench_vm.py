"""A virtual machine from the order to start it to its first answer: booted, and restored, against what is lighter.

Taken in turn. No ratio here has a target: there is no peer, and where QEMU emulates the processor (TCG) its time says
how long a person waits, not how long a cloud's machine takes. The label says what ran the guest.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from pathlib import Path

import pytest

from tests.bench import handlers
from tests.bench.peers.plain_run import Launched, answer_since
from tests.bench.scoreboard import Line, Scoreboard
from tests.needs import needs
from workbench import isolation
from workbench.isolation.machine import qemu_accelerator
from workbench.package import package, unpacked
from workbench.sandbox import SandboxSpec
from workbench.service import Resources, Service
from workbench.statistics import bootstrap_ratio, percentile

SAMPLES = 10
BOOTS = 5
_numbers = itertools.count()


class Restored(Launched):
    """A machine restored for every start. That it is new needs no proof: it was launched, and they all look alike."""

    def cold_ms(self) -> float:
        spec = self._spec()
        started = time.perf_counter()
        with contextlib.closing(self._launch(spec)) as box:
            return answer_since(started, box.address).ms


@needs("qemu", "namespaces")
@pytest.mark.timeout(900)
def test_start_of_a_virtual_machine(scoreboard: Scoreboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "app.py").write_text(handlers.PYTHON)
    service = Service.from_dir(tmp_path, "app.handler", resources=Resources(memory_mb=256))
    code = unpacked(package(service))

    def spec() -> SandboxSpec:
        name = f"bench-{os.getpid()}-{next(_numbers)}"
        return SandboxSpec(name, "http_host.py", service.handler, code, service.resources)

    refused = qemu_accelerator.why_not_kvm()
    if refused:
        scoreboard.note(f"not measured: KVM. {refused}")
    with contextlib.closing(isolation.snapshots()) as snapshots:
        process = Launched("VM-style process", isolation.launcher("process"), spec)
        boxed = Launched("namespaces", isolation.launcher("namespaces"), spec)
        restored = Restored("restored", snapshots.launch, spec)
        booted = {}
        for accelerator in ("tcg",) if refused else ("kvm", "tcg"):
            booted[accelerator] = Launched(f"booted ({accelerator})", isolation.launcher("qemu"), spec)
        samples: dict[str, list[float]] = {}
        restored.cold_ms()  # boots and saves the machine that the others are restored from
        for turn in range(SAMPLES):
            for contender in (process, boxed, restored):
                samples.setdefault(contender.name, []).append(contender.cold_ms())
            for accelerator, machine in booted.items() if turn < BOOTS else ():
                monkeypatch.setenv("WORKBENCH_ACCELERATOR", accelerator)
                samples.setdefault(machine.name, []).append(machine.cold_ms())
                monkeypatch.delenv("WORKBENCH_ACCELERATOR")
    for ours in (*booted.values(), restored):
        for peer in (process, boxed) if ours is not restored else (process, boxed, *booted.values()):
            scoreboard.add(_line(ours, peer, samples))


def _line(ours: Launched, peer: Launched, samples: dict[str, list[float]]) -> Line:
    mine, theirs = samples[ours.name], samples[peer.name]
    what = f"virtual machine, {ours.name}: start to first answer, p50 of {len(mine)}"
    ratio = bootstrap_ratio(mine, theirs)
    return Line(what, f"{percentile(mine, 50):.0f} ms", peer.name, f"{percentile(theirs, 50):.0f} ms", ratio, None)
