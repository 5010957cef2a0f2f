"""Predictions are kept before the run and scored after it, with a widget and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.labs import ask, choose, predictions, score, scoreboard
from workbench.labs.panel import duration

_QUICK = ["serverless", "container", "vm"]


def _buttons(asked: Any) -> dict[str, Any]:
    return {control.description: control for control in asked.children[1].children if hasattr(control, "click")}


@pytest.mark.parametrize(
    ("expected", "measured", "verdict"),
    [
        (10.0, 12.0, "spot on"),
        (10.0, 8.0, "spot on"),
        (10.0, 19.0, "close"),
        (10.0, 5.5, "close"),
        (10.0, 99.0, "right order of magnitude"),
        (10.0, 101.0, "a surprise"),
        (0.0, 5.0, "a surprise"),
        ("vm", "vm", "right"),
        ("vm", "container", "not this time"),
    ],
)
def test_a_verdict_is_the_factor_between_the_two(expected: Any, measured: Any, verdict: str) -> None:
    assert predictions.verdict(expected, measured) == verdict


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9))
def test_too_high_and_too_low_count_alike(a: float, b: float) -> None:
    assert predictions.off_by(a, b) == predictions.off_by(b, a) >= 1


def test_without_a_prediction_the_score_says_so_and_keeps_nothing(learner: Path) -> None:
    panel = score("k", 12.0)
    assert "no prediction" in panel.text
    assert "12 ms" in panel.title
    assert not learner.exists()


def test_what_cannot_be_measured_here_leaves_the_prediction_waiting() -> None:
    choose("k", "Which?", _QUICK, answer="vm")
    assert score("k", None).title == "Not measured"
    assert predictions.pending("k") == "vm"


def test_a_modelled_number_is_called_modelled() -> None:
    assert "Modelled: vm" in score("k", "vm", how="modelled").title
    choose("k", "Which?", _QUICK, answer="container")
    assert "modelled: vm" in score("k", "vm", how="modelled").text


def test_a_click_keeps_the_choice_and_marks_it() -> None:
    asked = choose("k", "Which is quickest?", _QUICK)
    assert asked.value is None
    _buttons(asked)["vm"].click()
    assert asked.value == "vm"
    assert [d for d, b in _buttons(asked).items() if b.button_style == "primary"] == ["vm"]
    _buttons(asked)["container"].click()
    assert asked.value == "container"
    assert [d for d, b in _buttons(asked).items() if b.button_style == "primary"] == ["container"]
    assert len(predictions.attempts("k")) == 1


def test_the_choice_is_still_there_after_a_restart_and_is_scored() -> None:
    choose("k", "Which?", _QUICK, answer="vm")
    assert "Kept: vm" in choose("k", "Which?", _QUICK).children[2].value
    panel = score("k", "vm")
    assert panel.kind == "good"
    assert "Right" in panel.title
    last = predictions.attempts("k")[-1]
    assert (last["expected"], last["measured"], last["verdict"]) == ("vm", "vm", "right")


def test_the_slider_starts_in_the_middle_and_the_button_keeps_it() -> None:
    asked = ask("k", "How long?", low_ms=1, high_ms=10_000)
    slider, label, button = asked.children[1].children
    assert slider.value == pytest.approx(100)
    slider.value = 20
    assert "20 ms" in label.value
    assert asked.value is None
    button.click()
    assert asked.value == 20


def test_after_a_run_a_new_prediction_is_a_new_attempt() -> None:
    ask("k", "How long?", answer=10)
    score("k", 100.0)
    score("k", 90.0)  # the cell was run again: the same prediction, the newer measurement
    assert predictions.pending("k") is None
    ask("k", "How long?", answer=80)
    assert predictions.pending("k") == 80
    score("k", 100.0)
    assert [(a["expected"], a["measured"]) for a in predictions.attempts("k")] == [(10, 90.0), (80, 100.0)]


def test_answers_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(predictions.ANSWERS, json.dumps({"k": 30, "c": "vm"}))
    assert ask("k", "How long?").value == 30
    assert choose("c", "Which?", _QUICK).value == "vm"
    monkeypatch.setenv(predictions.ANSWERS, "not JSON")
    assert predictions.answer_given("k") is None


def test_an_answer_that_is_no_option_is_not_kept() -> None:
    assert choose("k", "Which?", _QUICK, answer="mainframe").value is None


def test_the_scoreboard_counts_what_came_near() -> None:
    for key, expected, measured in (("a", 10, 11.0), ("b", 10, 500.0)):
        ask(key, "?", answer=expected)
        score(key, measured)
    assert scoreboard(["a", "b", "c"]).title == "2 of 3 predictions made, 1 of them came near"


def test_damaged_predictions_do_not_stop_the_lab(learner: Path) -> None:
    path = learner / "progress" / "predictions.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"k": [{"expected": 5}]}')
    asked = ask("k", "How long?", answer=7)
    assert asked.value == 7
    assert any("damaged" in p.name for p in path.parent.iterdir())


def test_a_question_is_escaped() -> None:
    assert "<script>" not in choose("k", "<script>alert(1)</script>", ["a"]).children[0].value


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.34, "340 µs"), (7.31, "7.3 ms"), (9.96, "10 ms"), (340, "340 ms"), (999.6, "1.0 s"), (1240, "1.2 s")],
)
def test_a_duration_reads_as_a_person_would_say_it(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text
