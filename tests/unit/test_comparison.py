from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench import comparison
from workbench.deployments.fake import FakeDeployment
from workbench.errors import HandlerError, PackageError
from workbench.experiments.answering import HTTP_EVENT, answering
from workbench.records import Run
from workbench.samples import sample
from workbench.service import Service


class Deployed:
    """Deploys fakes and remembers them."""

    def __init__(self) -> None:
        self.made: list[FakeDeployment] = []

    def __call__(self, service: Service, pattern: str) -> FakeDeployment:
        deployment = FakeDeployment(service)
        deployment.pattern = pattern
        deployment.scale(1)
        self.made.append(deployment)
        return deployment

    def all_closed(self) -> bool:
        return bool(self.made) and all(d._closed for d in self.made)


def written(folder: Path, body: str) -> Service:
    (folder / "app.py").write_text(body)
    return Service.from_dir(folder)


@pytest.fixture
def deployed() -> Deployed:
    return Deployed()


def test_the_whole_job_saved_and_everything_closed(tmp_path: Path, deployed: Deployed) -> None:
    stages: list[str] = []
    run = comparison.compare(
        sample("pricing"),
        ("one",),
        quick=True,
        out=tmp_path,
        deploy=deployed,
        progress=lambda s, d, t: stages.append(s),
    )
    assert deployed.all_closed()
    assert list(dict.fromkeys(stages)) == ["deploy", "cold start", "scaling", "isolation", "delivery", "cost"]
    assert set(run.of("cold_start")) == set(run.of("isolation")) == set(run.of("delivery")) == {"one"}
    saved = Run.load(tmp_path / "run.json")
    assert saved.to_json() == run.to_json()
    assert saved.tradeoff["quick"]["one"]["value"] > 0
    assert saved.environment["isolation"] == {"one": "fake"}
    assert saved.service["payload"] == {}
    # The fake has no address to send a burst to: noted, and the rest went on.
    assert run.of("scaling") == {}
    assert any("scaling was not measured" in note for note in run.environment["notes"])
    assert run.tradeoff["instances"]["one"]["value"] is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def handler(event, context):\n    raise ValueError('broken inside')\n", "ValueError: broken inside"),
        ("import not_there\n", "not_there"),
        ("def other(event, context): ...\n", "handler"),
    ],
)
def test_a_service_that_fails_ends_the_job_and_leaves_nothing(
    tmp_path: Path, deployed: Deployed, body: str, message: str
) -> None:
    (tmp_path / "service").mkdir()
    service = written(tmp_path / "service", body)
    with pytest.raises(HandlerError, match=message):
        comparison.compare(service, ("one",), out=tmp_path / "out", deploy=deployed)
    assert all(d._closed for d in deployed.made)
    assert not (tmp_path / "out").exists()


def test_a_service_that_cannot_be_packaged_is_refused_before_anything_starts(
    tmp_path: Path, deployed: Deployed
) -> None:
    service = written(tmp_path, "def handler(event, context): return {}\n")
    (tmp_path / "app.py").unlink()
    tmp_path.rmdir()
    with pytest.raises(PackageError):
        comparison.compare(service, ("one",), deploy=deployed)
    assert deployed.made == []


HTTP_ONLY = """
def handler(event, context):
    return {"statusCode": 200, "body": event["requestContext"]["http"]["method"]}
"""
PLAIN = "def handler(event, context): return {'got': event}\n"
REFUSES_EMPTY = """
def handler(event, context):
    return {"statusCode": 200 if "rawPath" in event else 400}
"""
REFUSES_ALL = "def handler(event, context): return {'statusCode': 404}\n"


@pytest.mark.parametrize(
    ("body", "payload", "words"),
    [
        (HTTP_ONLY, HTTP_EVENT, "GET /"),
        (REFUSES_EMPTY, HTTP_EVENT, "GET /"),
        (PLAIN, {}, "with {}"),
        (REFUSES_ALL, {}, "error status"),
    ],
)
def test_a_payload_is_found_where_none_was_given(
    tmp_path: Path, deployed: Deployed, body: str, payload: Any, words: str
) -> None:
    found, note = answering([deployed(written(tmp_path, body), "one")], None)
    deployed.made[0].close()
    assert found == payload
    assert words in note


def test_a_payload_given_is_the_one_used(tmp_path: Path, deployed: Deployed) -> None:
    found, note = answering([deployed(written(tmp_path, PLAIN), "one")], {"n": 1})
    deployed.made[0].close()
    assert found == {"n": 1}
    assert note == ""


def interrupt_at(stage: str, done: int) -> Callable[[str, int, int], None]:
    def tell(current: str, at: int, total: int) -> None:
        if (current, at) == (stage, done):
            raise KeyboardInterrupt

    return tell


def test_ctrl_c_keeps_what_was_measured_and_closes_everything(tmp_path: Path, deployed: Deployed) -> None:
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(
            sample("pricing"), ("a", "b"), out=tmp_path, deploy=deployed, progress=interrupt_at("cold start", 8)
        )
    assert deployed.all_closed()
    kept = Run.load(tmp_path / "run.json")
    assert not kept.complete
    assert [len(m.samples) for m in kept.of("cold_start").values()] == [3, 3]
    assert not any(m.complete for m in kept.measurements)


def test_ctrl_c_before_the_first_measurement_leaves_no_file(tmp_path: Path, deployed: Deployed) -> None:
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(
            sample("pricing"), ("a", "b"), out=tmp_path, deploy=deployed, progress=interrupt_at("deploy", 1)
        )
    assert deployed.all_closed()
    assert not (tmp_path / "run.json").exists()


def test_the_machine_is_described(deployed: Deployed) -> None:
    found = comparison.environment({"vm": "process"})
    assert found["cores"] >= 1
    assert found["memory_mb"] > 0
    assert all(found[name] for name in ("cpu", "kernel", "python"))
    assert found["isolation"] == {"vm": "process"}
    assert "boto3" in found["versions"]


def test_a_late_job_takes_one_round_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    job = comparison._Job({}, None)
    assert job.rounds("delivery", 2) == 2
    monkeypatch.setitem(comparison.ROUNDS_WITHIN_S, "delivery", -1.0)
    assert job.rounds("delivery", 2) == 1
    assert "1 round instead of 2" in job.run.environment["notes"][0]


def test_a_service_slow_to_start_gets_fewer_cold_starts() -> None:
    class Slow:
        def invoke_cold(self, payload: Any) -> Any:
            return type("Result", (), {"latency_ms": 2_000.0})

    assert comparison._affordable([Slow()] * 3, comparison.FULL, {}) == comparison.FEWEST_COLD  # type: ignore[list-item]
    assert comparison._affordable([Slow()], comparison.FULL, {}) == comparison.FULL.cold_samples  # type: ignore[list-item]
