"""Cold starts by a factor: levels take turns, what cannot be done is named, everything is closed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import CapabilityMissing, DeploymentError, PackageError
from workbench.experiments import Interrupted, cold_start_by
from workbench.experiments.variants import FILLER, MB, importing, of_size, with_memory
from workbench.invocation import InvocationResult
from workbench.package import package
from workbench.records import Run
from workbench.samples import sample

ORDER = {"sku": "A1", "quantity": 3}


def missing() -> Any:
    raise CapabilityMissing("This machine has no such thing.", "Install it.")


def test_each_level_is_measured_confirmed_and_closed(make: Any) -> None:
    levels = {"small": make(), "large": make()}
    found = cold_start_by(
        "size", {name: (lambda one=one: one) for name, one in levels.items()}, samples=6, payload=ORDER
    )
    assert [m.detail["level"] for m in found] == ["small", "large"]
    for m in found:
        assert m.experiment == "cold_start_by_size"
        assert len(m.samples) == len(set(m.detail["instances"])) == 6
        assert len(m.warmups) == 1
        assert m.detail["pattern"] == "fake"
        assert m.detail["deploy_s"] > 0
        assert "total" in m.detail["first_answer"]
        assert "levels of size interleaved" in m.provenance.how
    assert all(one.closed for one in levels.values())
    run = Run({}, {}).add(*found)
    assert Run.from_json(run.to_json()).of("cold_start_by_size").keys() == {"small", "large"}


def test_levels_take_turns(make: Any) -> None:
    order: list[str] = []
    levels = {label: make(label=label) for label in "ABC"}
    for one in levels.values():
        one.log = order
    cold_start_by("letter", {name: (lambda one=one: one) for name, one in levels.items()}, samples=2)
    assert "".join(order) == "ABC" + "ABC" * 2  # the first of each while it is deployed


def test_a_level_that_cannot_be_done_is_named_with_its_reason(make: Any) -> None:
    broken = make()
    broken.raise_at = {1: DeploymentError("It does not start.")}
    levels = {"here": make, "missing": missing, "broken": lambda: broken}
    here, gone, fails = cold_start_by("place", levels, samples=2)
    assert len(here.samples) == 2
    assert gone.samples == fails.samples == ()
    assert gone.detail["reason"].startswith("This machine has no such thing.")
    assert fails.detail["reason"] == "It does not start."
    assert broken.closed


def test_where_no_level_can_be_done_the_reasons_are_the_error() -> None:
    with pytest.raises(DeploymentError, match=r"No level of place.*no such thing"):
        cold_start_by("place", {"missing": missing})


def test_an_interrupt_keeps_the_levels_that_have_samples(make: Any) -> None:
    first, second = make(), make()
    second.raise_at = {2: KeyboardInterrupt()}  # after the one of deploying
    with pytest.raises(Interrupted) as caught:
        cold_start_by("order", {"first": lambda: first, "second": lambda: second}, samples=5)
    (kept,) = caught.value.measurements
    assert (kept.detail["level"], len(kept.samples), kept.complete) == ("first", 1, False)
    assert first.closed
    assert second.closed


def test_an_instance_kept_ready_must_not_have_started_for_the_call(make: Any) -> None:
    class Ready:
        """Has its instance before the call, as provisioned concurrency does."""

        def __init__(self, deployment: Any) -> None:
            self._deployment = deployment

        def __getattr__(self, name: str) -> Any:
            return getattr(self._deployment, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self._deployment.close()

        def invoke_cold(self, payload: Any) -> InvocationResult:
            return replace(self._deployment.invoke_cold(payload), cold=False)

    (found,) = cold_start_by("technique", {"ready": lambda: Ready(make())}, samples=3, ready=["ready"])
    assert len(set(found.detail["instances"])) == 3
    assert "kept ready that had served nobody" in found.provenance.how
    with pytest.raises(DeploymentError, match="cold start cannot be measured"):
        cold_start_by("technique", {"ready": make}, samples=1, ready=["ready"])  # it does start for the call
    with pytest.raises(DeploymentError, match="cold start cannot be measured"):
        cold_start_by("technique", {"ready": lambda: Ready(make())}, samples=1)  # it does not


def test_a_package_of_a_size_has_it_after_zipping(tmp_path: Path) -> None:
    small, large = of_size(sample("pricing"), 0, tmp_path), of_size(sample("pricing"), 2, tmp_path)
    assert 2 * MB <= package(large).size_bytes - package(small).size_bytes < 2.05 * MB
    assert (large.source / FILLER).stat().st_size == 2 * MB
    with pytest.raises(PackageError, match="250 MB"):
        of_size(sample("pricing"), 250, tmp_path)


@pytest.mark.parametrize("megabytes", [48])
def test_beyond_what_one_upload_takes_the_rest_compresses(tmp_path: Path, megabytes: int, monkeypatch: Any) -> None:
    monkeypatch.setattr("workbench.experiments.variants.MOST_RANDOM_MB", 1)
    found = of_size(sample("pricing"), megabytes, tmp_path)
    assert (found.source / FILLER).stat().st_size == megabytes * MB
    assert MB <= package(found).size_bytes < 2 * MB


def test_a_service_imports_what_it_is_told_and_counts_it(tmp_path: Path) -> None:
    found = importing(["decimal", "xml.dom.minidom"], tmp_path)
    code = "import app; print(app.handler({}, None)['modules'] > 5, 'xml.dom.minidom' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=found.source, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
    assert importing([], tmp_path).source != found.source
    with pytest.raises(PackageError, match="cannot be imported"):
        importing(["os; print()"], tmp_path)


def test_memory_brings_its_share_of_the_cpu() -> None:
    found = with_memory(sample("pricing"), 128)
    assert found.resources.memory_mb == 128
    assert found.resources.vcpus == pytest.approx(128 / 1769)
    assert found.source == sample("pricing").source
