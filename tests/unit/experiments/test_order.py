"""The order of a comparison, in the public fake deployment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workbench.deployments import fake
from workbench.experiments import Interrupted, order
from workbench.experiments.hog import hog
from workbench.labs import named
from workbench.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return event\n")
    return Service.from_dir(tmp_path)


@pytest.mark.parametrize(("interleaved", "first_ends_before"), [(False, True), (True, False)])
def test_one_after_the_other_or_in_turn(service: Service, interleaved: bool, first_ends_before: bool) -> None:
    with fake.deploy(service) as one, fake.deploy(service) as other:
        a, b = order(named(one, "A"), named(other, "B"), samples=7, interleaved=interleaved)
    assert (a.deployment, b.deployment) == ("A", "B")
    assert len(a.samples) == len(b.samples) == len(a.detail["at_s"]) == 7
    assert (a.detail["at_s"][-1] < b.detail["at_s"][0]) is first_ends_before
    assert a.detail["at_s"] == sorted(a.detail["at_s"])
    assert a.detail["busy_s"] is None
    assert ("in turn" in a.provenance.how) is interleaved


def test_the_machine_is_made_busy_from_there_on_and_to_the_end(service: Service) -> None:
    with fake.deploy(service) as one, fake.deploy(service) as other:
        a, b = order(named(one, "A"), named(other, "B"), samples=10, interleaved=False, busy_from=0.7)
    began, ended = b.detail["busy_s"]
    before = [at for at in (*a.detail["at_s"], *b.detail["at_s"]) if at < began]
    assert len(before) == 14
    assert max(b.detail["at_s"]) < ended
    assert "competing for the CPU" in b.provenance.how


def test_a_hog_computes_while_the_block_runs_and_no_longer() -> None:
    with hog(workers=2, longest_s=30) as pids:
        assert len(pids) == 2
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


OWNER = """
import time
from workbench.experiments.hog import hog
with hog(workers=2) as pids:
    print(*pids, flush=True)
    time.sleep(60)
"""


def computes(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_hog_ends_when_its_owner_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(computes, pids))
        owner.kill()
    deadline = time.monotonic() + 20
    while any(map(computes, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(computes, pids))


def test_interrupted_it_keeps_what_it_has_and_ends_the_hog(service: Service) -> None:
    def tell(stage: str, done: int, total: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    children = {process.pid for process in psutil.Process(os.getpid()).children()}
    with fake.deploy(service) as one, fake.deploy(service) as other, pytest.raises(Interrupted) as interrupt:
        order(named(one, "A"), named(other, "B"), samples=10, busy_from=0.5, progress=tell)
    assert {process.pid for process in psutil.Process(os.getpid()).children()} == children
    a, b = interrupt.value.measurements
    assert (len(a.samples), len(b.samples)) == (5, 4)
    assert not a.complete
