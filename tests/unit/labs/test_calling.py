"""Callers who keep calling: what they got is kept call by call, counted, and drawn by who answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.charts import calls as drawn
from workbench.deployments import fake
from workbench.experiments.traffic import Call, Traffic
from workbench.labs import calling, noticed, share
from workbench.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "app.py").write_text(
        "calls = 0\ndef handler(event, context):\n    global calls\n    calls += 1\n"
        "    if calls % 3 == 0: raise ValueError('third')\n    return {'total': event['n']}\n"
    )
    return Service.from_dir(tmp_path, "app.handler")


def test_every_call_is_kept_with_its_answer_or_its_failure(service: Service) -> None:
    with fake.deploy(service) as deployment, calling(deployment, {"n": 7}, every_s=0.02) as callers:
        pass
    assert callers.asked == len(callers.calls) >= 6
    assert callers.failed == sum(bool(c.failure) for c in callers.calls) == callers.asked // 3
    assert [c.at_s for c in callers.calls] == sorted(c.at_s for c in callers.calls)
    assert all(("third" in c.failure) if c.failure else c.payload == {"total": 7} for c in callers.calls)


def traffic(*calls: Call) -> Traffic:
    made = Traffic(None, {})  # type: ignore[arg-type]  # nobody calls
    made.calls, made.asked, made.failed = list(calls), len(calls), sum(bool(c.failure) for c in calls)
    return made


MADE = (
    Call(10.0, 5.0, "vm-shop-1", {"total": "8"}, ""),
    Call(10.1, 5.0, "vm-shop-2", {"total": "7"}, ""),
    Call(10.2, 900.0, "", None, "Instance vm-shop-1 crashed <b>"),
)


def test_what_was_noticed_is_counted_by_answer_and_by_failure() -> None:
    panel = noticed(traffic(*MADE))
    assert panel.title == "3 calls, 1 failed"
    assert [line.split() for line in panel.text.splitlines()[1:3]] == [["total", "8", "1"], ["total", "7", "1"]]
    assert "crashed" in panel.text
    assert "<b>" not in panel.html


@pytest.mark.parametrize(
    ("failed", "asked", "word"),
    [(0, 50, "none"), (1, 50, "a few"), (9, 50, "a few"), (10, 50, "about a third"), (26, 50, "most of them")],
)
def test_a_share_is_one_of_the_choices(failed: int, asked: int, word: str) -> None:
    assert share(failed, asked) == word


def test_the_figure_has_a_row_for_each_instance_and_marks_what_failed() -> None:
    figure = drawn(MADE)
    marks = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert set(marks) == {"total 8", "total 7", "failed"}
    assert list(marks["total 7"].y) == ["instance 2"]
    assert list(marks["failed"].y) == ["no answer"]
    assert len({trace.marker.symbol for trace in marks.values()}) == 3  # read without colour
    assert "<b>" not in marks["failed"].hovertext[0]
    assert "3 calls: 1 failed, 2 instances answered" in figure.layout.title.text


def test_the_figure_of_no_call_says_so() -> None:
    assert "No call" in drawn(()).layout.title.text
