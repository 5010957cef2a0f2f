"""The matrix's columns, its pressures and their judgement, on the fake deployment and on made-up samples."""

from __future__ import annotations

import importlib
import time
from typing import Any

import pytest

from workbench.errors import CapabilityMissing, DeploymentError, InvocationTimeout
from workbench.experiments import Interrupted, isolation_matrix
from workbench.experiments.effects import Effect
from workbench.experiments.pressures import PRESSURES, NotTried, Pressure
from workbench.experiments.probes import Probe

NO_ENGINE = CapabilityMissing("No engine answers", "Start one")


def calmly(pair: Any, seconds: float) -> str:
    time.sleep(seconds)
    return "did nothing"


CALM = Pressure("calm", "Is calm calm?", calmly)


@pytest.fixture
def one_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One probe in place of all, which are dear: for tests of what comes after them."""
    probe = Probe("one", "?", True, "seen")
    module = importlib.import_module("workbench.experiments.isolation_matrix")  # not the function of that name
    monkeypatch.setattr(module, "probe_all", lambda deployment, pair: [probe])


def effect(before: float, during: float, **given: Any) -> Effect:
    return Effect(CALM, {"before": [before] * 20, "during": [during] * 20, "after": [before] * 20}, **given)


def test_a_pressure_is_judged_by_the_interval_and_by_what_failed() -> None:
    assert effect(1.0, 1.1).judged()[0] is True
    assert effect(1.0, 2.0).judged()[0] is False
    failed = effect(1.0, 1.0, failed={"before": 0, "during": 3, "after": 0}).judged()
    assert failed[0] is False
    assert failed[1].startswith("3 of 23 requests failed")
    assert Effect(CALM).judged()[0] is None
    assert effect(1.0, 1.0, not_tried="no room").judged() == (None, "not tried: no room")


def test_the_ratios_have_intervals_and_the_recovery_is_told() -> None:
    told = effect(2.0, 6.0).to_json()
    assert told["ratio_p50"] == told["ratio_p99"] == 3.0
    assert told["ci95_ratio_p99"] == [3.0, 3.0]
    assert told["recovered_p50"] == 1.0
    assert Effect(CALM).to_json()["ci95_ratio_p50"] == [None, None]


def test_columns_are_measured_in_turn_and_a_missing_one_stays_with_its_remedy(make: Any) -> None:
    order: list[str] = []

    def note(pair: Any, seconds: float) -> str:
        order.append(str(id(pair)))
        return calmly(pair, seconds)

    first, second = make(), make()
    columns = {"one": first, "none": NO_ENGINE, "two": second}
    pressures = [Pressure("a", "?", note), Pressure("b", "?", note)]
    found = isolation_matrix(columns, rounds=1, window_s=0.2, pressures=pressures)
    assert [m.deployment for m in found] == ["one", "none", "two"]
    assert found[1].detail["unavailable"] == {"reason": "No engine answers", "remedy": "Start one"}
    assert found[1].samples == ()
    assert found[1].detail["probes"] == []
    turns = [who for place, who in enumerate(order) if place == 0 or order[place - 1] != who]
    assert len(set(turns)) == 2
    assert turns == [turns[0], turns[1]] * 2
    for m in (found[0], found[2]):
        assert m.samples
        assert len(m.detail["pressures"]) == 2
        assert len(m.detail["probes"]) == 16
    assert first.all_closed()
    assert second.all_closed()


@pytest.mark.usefixtures("one_probe")
def test_a_column_that_fails_costs_no_other(make: Any) -> None:
    broken, well = make(), make()

    def refuse(service: Any) -> Any:
        raise DeploymentError("no room\nmore")

    broken.beside = refuse
    bad, good = isolation_matrix({"bad": broken, "good": well}, rounds=1, window_s=0.2, pressures=[CALM])
    assert bad.detail["failure"] == "no room"
    assert bad.detail["pressures"] == []
    assert len(good.detail["pressures"]) == 1


@pytest.mark.usefixtures("one_probe")
def test_an_interrupt_keeps_what_there_is_and_stops_everything(make: Any) -> None:
    deployment = make()

    def stop(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        isolation_matrix({"one": deployment}, rounds=2, window_s=0.2, pressures=[CALM], progress=stop)
    (kept,) = caught.value.measurements
    assert not kept.complete
    assert kept.samples
    assert len(kept.detail["pressures"]) == 1
    assert deployment.all_closed()


@pytest.mark.usefixtures("one_probe")
def test_a_neighbour_that_is_ended_presses_again(make: Any) -> None:
    pressed: list[float] = []

    def ended(pair: Any, seconds: float) -> str:
        pressed.append(seconds)
        raise InvocationTimeout("gone")

    (found,) = isolation_matrix({"one": make()}, rounds=1, window_s=0.2, pressures=[Pressure("x", "?", ended)])
    assert len(pressed) > 1
    (told,) = found.detail["pressures"]
    assert told["pressed"] == ["ended or without an answer (InvocationTimeout)"]


@pytest.mark.usefixtures("one_probe")
def test_what_would_harm_the_machine_is_not_tried(make: Any) -> None:
    def refuse(pair: Any, seconds: float) -> str:
        raise NotTried("too big")

    (found,) = isolation_matrix({"one": make()}, rounds=2, window_s=0.05, pressures=[Pressure("x", "?", refuse)])
    assert found.detail["pressures"][0]["held"] is None
    assert found.detail["pressures"][0]["observed"] == "not tried: too big"
    assert found.detail["pressures_tried"] == 0


def test_memory_beyond_half_of_what_is_there_is_no_pressure(monkeypatch: pytest.MonkeyPatch, make: Any) -> None:
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 600 * 2**20}))
    bomb = next(p for p in PRESSURES if p.name == "memory bomb")
    pair = type("Pair", (), {"neighbour": make()})
    with pytest.raises(NotTried, match="more than half of the 600 MB"):
        bomb.press(pair, 0.1)  # type: ignore[arg-type]
