"""The experiments on real deployments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from workbench import capabilities, comparison
from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.experiments import Interrupted, cold_start, delivery, isolation, scaling
from workbench.records import Measurement, Run
from workbench.samples import sample

ORDER = {"sku": "A1", "quantity": 3}
WALLS = {"processes", "environment", "memory", "signals", "files", "ports", "root file system"}


@pytest.fixture(params=["serverless", "vm"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The pricing service in the sandbox that every machine has."""
    with deploy(sample("pricing"), request.param, sandbox="process") as running:
        yield running


def names(measured: Measurement) -> dict[str, bool | None]:
    return {p["name"]: p["held"] for p in measured.detail["probes"]}


def test_cold_starts_are_real_and_their_phases_add_up(deployment: Deployment) -> None:
    (found,) = cold_start(deployment, samples=3, payload=ORDER)
    assert found.detail["refused"] == 0
    for place, total in enumerate(found.samples):
        phases = [values[place] for values in found.detail["phases_ms"].values()]
        assert all(ms is not None and ms >= 0 for ms in phases)
        assert sum(phases) <= total * 1.05 + 5
    assert found.detail["warm_p50_ms"] < found.detail["p50_ms"]


def test_a_burst_starts_from_rest_and_ends_with_more_instances(deployment: Deployment) -> None:
    (found,) = scaling(deployment, rate_per_s=40, duration_s=2, peak=2, payload=ORDER)
    assert found.detail["start_instances"] == (0 if deployment.pattern == "serverless" else 1)
    assert found.detail["instances"][0] == [0.0, found.detail["start_instances"]]
    assert found.detail["peak_instances"] >= (1 if deployment.pattern == "serverless" else 2)
    assert sum(found.detail["counts"].values()) == len(found.detail["planned_s"])
    assert found.detail["counts"]["ok"] == len(found.samples) > 0
    assert len(deployment.instances()) <= found.detail["peak_instances"]


def test_an_interrupted_burst_keeps_what_was_sent(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.load import Load

    def interrupted(self: Load) -> None:
        self._ended.wait(1.0)  # a second of the burst
        raise KeyboardInterrupt

    monkeypatch.setattr(Load, "result", interrupted)
    with pytest.raises(Interrupted) as caught:
        scaling(deployment, rate_per_s=40, duration_s=20, payload=ORDER)
    (kept,) = caught.value.measurements
    assert not kept.complete
    assert 0 < len(kept.samples) < 40 * 20


def test_a_process_hides_nothing_and_the_probes_say_so(deployment: Deployment) -> None:
    (found,) = isolation(deployment, rounds=1, window_s=0.3)
    seen = names(found)
    assert set(seen) >= WALLS
    # The same user, the same machine, no walls: everything that was tried was possible.
    assert not any(seen[name] for name in ("processes", "environment", "files", "signals"))
    assert found.samples
    assert len(deployment.instances()) <= 1


def test_a_service_is_delivered(deployment: Deployment) -> None:
    (found,) = delivery(deployment, rounds=1, payload=ORDER)
    assert len(found.samples) == len(found.detail["update_s"]) == len(found.detail["recovery_s"]) == 1
    assert found.detail["failed_while_updating"] == 0
    assert found.detail["telemetry"]["logs by instance"]
    assert found.detail["telemetry"]["cold start phases"]
    assert found.detail["languages"]["python"]["works"]
    assert found.detail["languages"]["node"]["works"] == capabilities.find().node.available, found.detail["languages"]


@needs("namespaces")
@pytest.mark.parametrize("pattern", ["serverless", "container"])
def test_namespaces_keep_neighbours_apart(pattern: str) -> None:
    with deploy(sample("pricing"), pattern, sandbox="namespaces") as deployment:
        (found,) = isolation(deployment, rounds=1, window_s=0.3)
    seen = names(found)
    assert {name: seen[name] for name in WALLS} == dict.fromkeys(WALLS, True), found.detail["probes"]


@needs("docker")
def test_docker_keeps_neighbours_apart() -> None:
    with deploy(sample("pricing"), "container", sandbox="docker") as deployment:
        (found,) = isolation(deployment, rounds=1, window_s=0.3)
    seen = names(found)
    for name in WALLS - {"ports", "root file system"}:
        assert seen[name] is True, found.detail["probes"]
    assert seen["memory limit"] is True


def test_the_whole_comparison_on_what_every_machine_has(tmp_path: Path) -> None:
    run = comparison.compare(
        sample("pricing"),
        ("serverless", "vm"),
        quick=True,
        out=tmp_path,
        deploy=lambda service, pattern: deploy(service, pattern, sandbox="process"),
        payload=ORDER,
    )
    assert run.complete
    assert run.environment["notes"] == []
    assert [set(run.of(name)) for name in ("cold_start", "scaling", "isolation", "delivery", "cost")] == [
        {"serverless", "vm"}
    ] * 5
    assert all(cell["value"] is not None for row in run.tradeoff.values() for cell in row.values())
    assert Run.load(tmp_path / "run.json").to_json() == run.to_json()
