"""What lab 04 says of walls, from measurements made up here; and a rummage in the public fake deployment."""

from __future__ import annotations

from typing import Any

import pytest

from workbench import charts, findings, labs
from workbench.deployments import fake, sandboxes
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.findings import wall_price
from workbench.labs import walls
from workbench.records import Measurement, Provenance
from workbench.samples import sample
from workbench.statistics import bootstrap_ratio

MEASURED = Provenance("measured", "by hand")
RECORDED = Provenance("recorded", "by hand", "a large machine", "2026-01-02")


def column(name: str, pressures: tuple[dict[str, Any], ...] = (), **held: bool | None) -> Measurement:
    probes = [
        {"name": n.replace("_", " "), "question": f"{n}?", "held": h, "observed": f"saw {n}"} for n, h in held.items()
    ]
    detail = {"unavailable": None, "probes": probes, "pressures": list(pressures)}
    return Measurement("isolation_matrix", name, name, "ms", (), MEASURED, detail=detail)


def pressed(before: float, during: float, samples: int = 20) -> dict[str, Any]:
    was, now = ([ms * (1 + 0.002 * i) for i in range(samples)] for ms in (before, during))
    found = bootstrap_ratio(now, was, "median")
    return {
        "name": "CPU hog", "question": "?", "held": True, "observed": "", "before_ms": was, "during_ms": now,
        "after_ms": was, "failed": {"during": 0}, "ratio_p50": found.value, "ci95_ratio_p50": [found.low, found.high],
    }  # fmt: skip


def starts(name: str, *ms: float, how: Provenance = MEASURED) -> Measurement:
    return Measurement("cold_start", name, name, "ms", ms, how)


def test_whose_kernel_it_is_comes_from_the_probe() -> None:
    shared = [column(name, kernel=False) for name in ("process", "namespaces", "docker")]
    assert labs.shared_kernel([*shared, column("qemu", kernel=True)]) == "process, namespaces, docker"
    assert labs.shared_kernel([*shared, column("gvisor", kernel=None)]) == "all of them"
    assert labs.shared_kernel([column("process", kernel=False), column("qemu", kernel=True)]) == "process alone"
    assert labs.shared_kernel([column("process", kernel=True), column("docker", kernel=False)]) is None
    assert labs.shared_kernel([]) is None


@pytest.mark.parametrize(("during", "said"), [
    (1.0, "within the noise"), (1.5, "up to 2 times"), (4.0, "2 to 5 times"), (9.0, "more than 5 times"),
])  # fmt: skip
def test_growth_is_named_only_beyond_the_noise(during: float, said: str) -> None:
    measured = [column("process", (pressed(1.0, during),))]
    assert labs.growth(measured, "process", "CPU hog") == said
    assert labs.growth(measured, "process", "disk hog") is None
    assert labs.growth(measured, "docker", "CPU hog") is None


def test_limits_are_counted_where_all_three_were_tried() -> None:
    found = [column("process", memory_limit=True, process_limit=True, tmp_limit=False)]
    assert labs.limits_held(found, "process") == "two"
    assert (
        labs.limits_held([column("process", memory_limit=True, process_limit=None, tmp_limit=False)], "process") is None
    )
    assert labs.limits_held(found, "docker") is None
    assert "saw tmp_limit" in labs.limits(found).text
    assert "broken" in labs.limits(found).text


def test_a_box_that_cannot_be_had_is_kept_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def deploy(service: Any, pattern: str, *, sandbox: str) -> Any:
        if sandbox == "docker":
            raise CapabilityMissing("No engine", "start one")
        return fake.deploy(service)

    monkeypatch.setattr("workbench.deployments.deploy", deploy)
    with labs.boxed(sample("pricing"), "process", "docker") as boxes:
        assert isinstance(boxes["docker"], CapabilityMissing)
        assert [one.pattern for one in labs.each(boxes)] == ["process"]
    with labs.boxed(sample("pricing")) as boxes:
        assert "process" in boxes
        assert not [name for name in boxes if name.startswith("qemu")], "a machine takes long to boot"


def test_every_sandbox_belongs_to_a_way_to_deploy() -> None:
    assert {sandboxes.pattern_of(name) for name in sandboxes.available()} == {"container", "vm"}
    with pytest.raises(DeploymentError, match="paper"):
        sandboxes.pattern_of("paper")


def test_two_in_one_process_find_each_others_secret() -> None:
    secret = "swordfish-unit"
    with fake.deploy(sample("probe")) as victim, victim.beside(sample("probe")) as other:
        found = labs.rummage(victim, other, secret)
    assert found["file"]
    assert labs.count(found) in labs.COUNTS[1:]
    assert found["file"] in labs.rummaged(found).text
    assert labs.count(dict.fromkeys(walls.PLACES, "")) == "none"


def test_what_a_wall_costs_is_said_with_where_it_was_measured() -> None:
    here = [column("process", a=False, b=False), starts("process", 9.0, 10.0, 11.0)]
    there = [column("qemu", a=True, b=True), starts("qemu", 4000.0, 4100.0, 4200.0, how=RECORDED)]
    found = findings.walls(here, there)
    assert found.title == "Probes held, and the time to start: process 0 of 2, 10.0\xa0ms"
    assert found.notes == ("Recorded only, not measured here: qemu.",)
    assert "measured: by hand" in found.provenance
    assert "recorded, not measured here" in found.provenance
    figure: Any = charts.walls(iter(here), iter(there))
    assert [(list(t.x), list(t.y), list(t.text)) for t in figure.data] == [
        ([10.0], [0], ["process"]),
        ([4100.0], [2], ["qemu"]),
    ]
    assert "process" in figure.data[0].text


def test_a_restored_machine_has_the_walls_of_a_booted_one() -> None:
    measured = [column("qemu", a=True), starts("qemu", 9.0), starts("qemu-snapshot", 3.0), starts("vm", 1.0)]
    assert [(p.name, p.held) for p in wall_price.priced(iter(measured))] == [("qemu", 1), ("qemu-snapshot", 1)]


def test_without_starts_there_is_no_price() -> None:
    assert findings.walls([column("process", a=True)]).title == "No sandbox was both probed and started"
    charts.walls([column("process", a=True)])


def test_what_the_pressures_say_is_said_in_sentences() -> None:
    said = labs.said(iter([column("process", (pressed(1.0, 9.0),))]))
    assert any("Beyond the noise in process: CPU hog 9.0" in sentence for sentence in said), said
