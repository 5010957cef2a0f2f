"""Factors, idle expiry and the share of cold requests, on a real platform in the sandbox that every machine has.

How long an instance was idle is judged twice: by the probe from outside and by the platform's own log of states. The
tests hold the one against the other and never against a wish of how quick this machine is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from workbench.deployments.serverless import ServerlessDeployment, deploy
from workbench.errors import DeploymentError
from workbench.experiments import cold_share, keep_alive
from workbench.instance import InstanceEvent, InstanceState
from workbench.labs import by_factor
from workbench.samples import sample

ORDER = {"sku": "A1", "quantity": 3}
EXPIRY_S = 1.0
RESTING = (InstanceState.IDLE, InstanceState.FROZEN)


class Watched(ServerlessDeployment):
    """Keeps the log of states of every function deployed beside it, read before that function is deleted."""

    logs_of: ClassVar[list[tuple[InstanceEvent, ...]]] = []

    def close(self) -> None:
        if not self._closed and not self._owns_platform:
            self.logs_of.append(self.events())
        super().close()


@pytest.fixture(scope="module")
def platform() -> Iterator[Watched]:
    from workbench.deployments.platform import Platform

    with Watched(sample("pricing"), Platform("process", EXPIRY_S), owns_platform=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Watched.logs_of.clear()


def rests(events: tuple[InstanceEvent, ...]) -> list[tuple[float, InstanceState]]:
    """How long each instance rested each time, by the platform's log, and what ended it."""
    found = []
    for name in {e.instance_id for e in events}:
        since: float | None = None
        for event in (e for e in events if e.instance_id == name):
            if event.state in RESTING:
                since = event.at_s if since is None else since
            elif since is not None:
                found.append((event.at_s - since, event.state))
                since = None
    return found


def served(events: tuple[InstanceEvent, ...]) -> int:
    """How many instances ever had a request, by the platform's log: each of them gave one cold start."""
    return len({event.instance_id for event in events if event.state is InstanceState.BUSY})


def test_the_bracket_from_outside_agrees_with_the_platforms_own_log(platform: Watched) -> None:
    found = keep_alive(platform, shortest_s=0.25, longest_s=4, resolution_s=0.2, at_once=2, payload=ORDER)
    detail = found.detail
    assert detail["unconfirmed"] == 0
    assert len(Watched.logs_of) == 2
    rested = [one for events in Watched.logs_of for one in rests(events)]
    survived = max((seconds for seconds, end in rested if end is InstanceState.BUSY), default=0.0)
    expired = [seconds for seconds, end in rested if end is not InstanceState.BUSY]
    # A timer of the platform is never early, and the probe's upper time holds all of the rest: exact, however late.
    assert min(expired) >= EXPIRY_S - 1e-6
    assert detail["high_s"] >= EXPIRY_S
    # A timer may be late on a busy machine; then an instance really was kept longer, and the log shows that very rest.
    assert detail["low_s"] <= max(EXPIRY_S, survived)
    assert detail["low_s"] < detail["high_s"]
    cold = sum(bool(one[3]) for one in detail["tries"])
    assert sum(map(served, Watched.logs_of)) == cold + 2  # the first call of each function was no try


def test_cold_requests_are_those_that_were_an_instances_first(platform: Watched) -> None:
    found = cold_share(platform, (2.0, 6.0), requests=12, expiry_s=EXPIRY_S, payload=ORDER, seed=4)
    rows = found.detail["rates"]
    assert [row["rate_per_s"] for row in rows] == [2.0, 6.0]
    assert found.complete
    for row, events in zip(rows, Watched.logs_of[::-1], strict=True):  # closed in the other order
        assert row["unconfirmed"] == 0
        assert row["cold"] == served(events) - 1  # without the first
        assert row["ci95"][0] <= row["share"] <= row["ci95"][1]
        assert 0 < row["modelled_share"][0] < 1


def test_sizes_and_weights_are_measured_level_by_level() -> None:
    for factor, levels in (("package size", (1, 4)), ("import weight", ("nothing", "many modules"))):
        small, large = by_factor(factor, sample("pricing"), ORDER, sandbox="process", samples=2, levels=levels)
        assert len(small.samples) == len(large.samples) == 2
        assert len({*small.detail["instances"], *large.detail["instances"]}) == 4
    assert small.detail["first_answer"] == {"modules": 0}
    assert large.detail["first_answer"]["modules"] > 100


def test_techniques_and_languages_that_are_not_here_are_named() -> None:
    spawn, unknown = by_factor(
        "technique", sample("pricing"), ORDER, sandbox="process", samples=2, levels=("spawn", "time travel")
    )
    assert len(spawn.samples) == 2
    assert "not by 'time travel'" in unknown.detail["reason"]
    (ready,) = by_factor(
        "technique", sample("pricing"), ORDER, sandbox="process", samples=3, levels=("provisioned",)
    )  # fmt: skip
    assert len(set(ready.detail["instances"])) == 3
    assert all(value is None for value in ready.detail["phases_ms"]["function_init"])  # nobody waited for it
    with pytest.raises(DeploymentError, match="Choose one of"):
        by_factor("colour", sample("pricing"))


def test_a_platform_is_told_its_expiry() -> None:
    with deploy(sample("pricing"), "process", idle_expiry_s=0.3) as function:
        first = function.invoke(ORDER)
        while function.instances():  # the test's time limit is the only one
            time.sleep(0.05)
        second = function.invoke(ORDER)
        ends = [e.detail for e in function.events() if e.state is InstanceState.STOPPING]
    assert first.instance_id != second.instance_id
    assert second.cold
    assert "idle expiry" in ends[0]
