"""What lab 07 reads out of its measurements, and what it shows without RabbitMQ."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.labs import stops
from workbench.records import Measurement, Provenance


def made_up(deployment: str, *samples: float, **detail: Any) -> Measurement:
    return Measurement("any", deployment, "process", "ms", samples, Provenance("measured", "made up"), detail=detail)


def test_without_a_broker_the_lab_shows_what_was_recorded_and_calls_it_that() -> None:
    with stops.listening(None) as ways:
        background, staying = stops.consumed(None, ways), stops.consumed(None, ways, stay=True)
    assert ways == ()
    assert stops.how(background) == stops.how(staying) == "recorded"
    assert stops.handled(background, "serverless") == "none or a few"
    assert stops.handled(background, "container") == "nearly all"
    assert stops.ended_by(background, "serverless") == "the broker"
    assert stops.ended_by(staying, "serverless") == "its time limit"
    assert stops.ended_by(staying, "container") == "nothing"
    assert "missed heartbeats" in stops.told(background).text


@pytest.mark.parametrize(
    ("wrong", "who"), [((0, 0), "neither"), ((2, 0), "serverless"), ((0, 2), "container"), ((2, 2), "both")]
)
def test_who_counted_wrong(wrong: tuple[int, int], who: str) -> None:
    pair = [made_up(name, 1.0, wrong=n) for name, n in zip(("serverless", "container"), wrong, strict=True)]
    assert stops.miscounted(pair) == who
    assert stops.miscounted(pair[:1]) is None


def test_who_forgot_is_who_began_again_at_one() -> None:
    stretch = ["one caller", "one caller", "after a rest"]
    function, container = (
        made_up("serverless", 1, 2, 1, stretch=stretch),
        made_up("container", 1, 2, 3, stretch=stretch),
    )
    assert stops.forgot([function, container]) == "serverless"
    assert stops.forgot([container, made_up("serverless", 1, 2, 3, stretch=stretch)]) == "neither"


@pytest.mark.parametrize(("function", "said"), [(10, "container"), (58, "about the same"), (90, "serverless")])
def test_who_answered_more_in_time(function: int, said: str) -> None:
    def spike(name: str, good: int) -> Measurement:
        return made_up(name, ends={"in time": good, "late": 100 - good, "throttled": 0, "failed": 0})

    assert stops.in_time([spike("serverless", function), spike("container", 60)]) == said


def test_no_first_answer_is_none_at_all() -> None:
    assert stops.first_answer_ms([made_up("serverless", first_answer_s=None)], "serverless") is None
    assert stops.first_answer_ms([made_up("serverless", first_answer_s=5.0)], "serverless") == 5000
