from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import DeploymentError, HandlerError
from workbench.experiments import Interrupted, delivery
from workbench.experiments.traffic import Traffic
from workbench.experiments.versions import versions_of
from workbench.package import package
from workbench.samples import sample


def test_a_service_is_deployed_updated_and_recovered(make: Any) -> None:
    deployment = make()
    (found,) = delivery(deployment, rounds=2)
    detail = found.detail
    assert len(found.samples) == len(detail["package_s"]) == len(detail["update_s"]) == len(detail["recovery_s"]) == 2
    assert detail["asked_while_updating"] > 0
    assert detail["failed_while_updating"] == 0
    assert found.unit == "s"
    assert deployment.all_closed()


def test_what_the_fake_cannot_do_is_found_out_and_not_assumed(make: Any) -> None:
    (found,) = delivery(make(), rounds=1)
    assert found.detail["memory_limit"]["held"] is False
    assert found.detail["telemetry"]["logs by instance"] is False
    assert found.detail["telemetry"]["instances"] is True
    assert {name: tried["works"] for name, tried in found.detail["languages"].items()} == {
        "python": True,
        "node": False,
        "java": False,
    }
    assert found.detail["cpu_share"]["expected"] == pytest.approx(0.25, abs=0.01)
    assert found.detail["cpu_share"]["measured"] > 0


def test_an_interrupt_keeps_what_was_deployed_and_closes_it(make: Any) -> None:
    deployment = make()

    def stop(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        delivery(deployment, rounds=2, progress=stop)
    (kept,) = caught.value.measurements
    assert len(kept.samples) == 1
    assert not kept.complete
    assert deployment.all_closed()


def test_a_copy_that_fails_is_closed_too(make: Any) -> None:
    deployment = make()
    with pytest.raises(HandlerError):
        delivery(deployment, rounds=1, payload={"sku": "nothing"})
    assert deployment.neighbours
    assert deployment.all_closed()


def test_each_version_is_another_package_and_the_source_stays_as_it_was(tmp_path: Path) -> None:
    service = sample("pricing")
    before = sorted(p.name for p in service.source.iterdir())
    with versions_of(service) as next_version:
        digests = {package(next_version()).sha256 for _ in range(3)}
        copy = next_version().source
    assert len(digests | {package(service).sha256}) == 4
    assert not copy.exists()
    assert sorted(p.name for p in service.source.iterdir()) == before


def test_traffic_counts_failures_and_does_not_wait_for_answers(make: Any) -> None:
    deployment = make()
    release = threading.Event()

    def hang(payload: Any) -> None:
        release.wait(10)
        raise DeploymentError("gone\nfor good")

    deployment.invoke = hang
    with Traffic(deployment, {}, every_s=0.005) as traffic:
        deadline = time.monotonic() + 10
        while traffic._threads._work_queue.qsize() < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        release.set()
    assert traffic.asked == traffic.failed >= 2
    assert traffic.first_failure == "gone"
