"""What lab 03 says of its measurements, from measurements made up for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workbench.labs import scaled
from workbench.records import Measurement, Provenance


def made_up(experiment: str, deployment: str, **detail: Any) -> Measurement:
    return Measurement(
        experiment, deployment, "process", "ms", (1.0, 2.0), Provenance("measured", "made up"), detail=detail
    )


def test_the_first_to_meet_the_goal_is_named_and_none_where_none_did() -> None:
    met = [
        made_up("scaling", name, time_to_goal_s=at)
        for name, at in (("serverless", 0.8), ("container", None), ("vm", 0.2))
    ]
    assert scaled.first_to_goal(met) == "vm"
    assert scaled.first_to_goal(met[1:2]) == scaled.NEVER


def test_the_second_instance_is_the_first_moment_with_two() -> None:
    line = [[0.0, 0.0], [0.3, 1.0], [1.25, 3.0], [4.0, 3.0]]
    assert scaled.second_ready_ms(made_up("scaling", "vm", instances=line)) == 1250
    assert scaled.second_ready_ms(made_up("scaling", "vm", instances=line[:2])) is None


def test_a_request_that_is_missing_is_missed() -> None:
    whole = made_up("scaling", "vm", counts={"ok": 2, "throttled": 1}, planned_s=[0, 1, 2])
    lacking = made_up("scaling", "vm", counts={"ok": 2}, planned_s=[0, 1, 2])
    assert scaled.all_counted([whole])
    assert not scaled.all_counted([whole, lacking])


@pytest.mark.parametrize(("most", "said"), [(14, 0), (40, 1), (60, 2)])
def test_a_gain_is_the_ratio_of_the_medians(most: float, said: int) -> None:
    found = [
        made_up("concurrency", "a", handler="waits", level=1, per_s=[9, 10, 30]),
        made_up("concurrency", "b", handler="waits", level=16, per_s=[most]),
    ]
    assert scaled.gain(found, "waits") == scaled.GAINS[said]
    assert scaled.gain(found, "works") is None


def test_how_far_above_the_goal_the_lowest_miss_is() -> None:
    def searched(*trials: dict[str, Any]) -> Measurement:
        return made_up("sustainable_rate", "vm", goal_ms=50.0, trials=list(trials))

    missed = {"rate_per_s": 100.0, "verdict": "missed", "p99_ms": 90.0}
    worse = {"rate_per_s": 200.0, "verdict": "missed", "p99_ms": 900.0}
    assert scaled.above_goal(searched(worse, missed)) == scaled.ABOVE[0]
    assert scaled.above_goal(searched(worse)) == scaled.ABOVE[2]
    assert scaled.above_goal(searched({**missed, "p99_ms": None})) == scaled.ABOVE[2]
    assert scaled.above_goal(searched({**missed, "verdict": "sustained"})) is None


def test_the_elasticity_of_a_supply_worked_out_by_hand() -> None:
    # 20 requests of 100 ms in the first second are 2 at a time; then nobody comes. One instance is there, then two.
    planned = [k / 20 for k in range(20)]
    late = made_up("scaling", "vm", planned_s=planned, warm_ms=100.0, instances=[[0.0, 1.0], [0.5, 2.0], [2.0, 2.0]])
    idle = made_up("scaling", "container", planned_s=planned, warm_ms=100.0, instances=[[0.0, 4.0], [2.0, 4.0]])
    text = scaled.elastic([late, idle]).text
    # Too few: half of the demand for a quarter of the time. Too many: two where none is needed, for half of it.
    row = next(line for line in text.splitlines() if line.startswith("vm"))
    assert row.replace("\u00a0", " ").split() == ["vm", "12", "%", "25", "%", "100", "%", "50", "%"]
    assert scaled.most([late, idle], "over_accuracy") == "container"
    assert scaled.most([late, idle], "under_timeshare") == "vm"


def test_what_is_left_when_nobody_calls() -> None:
    gone = made_up(
        "to_zero", "serverless", zero_after_s=1.5, why="idle expiry", cold=True, at_zero="", back_s=None, kept=0
    )
    stays = made_up(
        "to_zero", "vm", zero_after_s=None, why="", cold=False, at_zero="No instance. Start.", back_s=0.2, kept=1
    )
    text = scaled.left([gone, stays]).text
    assert "gone after 1.5\u00a0s (idle expiry)" in text
    assert "No instance" in text
    assert scaled.still_there([gone, stays]) == "vm"
    assert scaled.still_there([gone]) == "neither"


def test_an_autoscaler_that_saw_nothing_is_shown_as_such() -> None:
    looks = [
        SimpleNamespace(at_s=10.0, metric=None, current=1, number=1, reason="no metric"),
        SimpleNamespace(at_s=11.0, metric=0.42, current=1, number=4, reason=""),
    ]
    text = scaled.looks(looks).text
    assert "1.0\u00a0s" in text
    assert "no metric" in text
    assert scaled.looks([]).text
