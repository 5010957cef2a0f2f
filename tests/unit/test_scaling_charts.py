"""Charts of loads over time, of searches and of batches: whole, partial and empty, each with its finding."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.made_up_run import made_up_run
from workbench import charts, findings
from workbench.records import Measurement, Provenance, Run

WHOLE = made_up_run()


def made_up(experiment: str, deployment: str, **detail: Any) -> Measurement:
    provenance = Provenance("measured", "made up for a test")
    return Measurement(experiment, deployment, "process", "ms", (1.0, 2.0), provenance, detail=detail)


def trial(rate: float, verdict: str, p99_ms: float | None) -> dict[str, Any]:
    ends = {"low_ms": p99_ms, "high_ms": None if p99_ms is None else p99_ms + 5}
    return {"rate_per_s": rate, "verdict": verdict, "why": "so", "requests": 400, "p99_ms": p99_ms, **ends}


def searched(deployment: str, low: float | None, high: float | None, *trials: dict[str, Any]) -> Measurement:
    return made_up(
        "sustainable_rate",
        deployment,
        goal_ms=50,
        low_per_s=low,
        high_per_s=high,
        trials=trials,
        instances=1,
        stopped="so",
    )


def batch(handler: str, level: int, per_s: float, median_ms: float) -> Measurement:
    found = {"handler": handler, "level": level, "per_s": [per_s] * 2, "median_ms": [median_ms] * 2}
    return made_up("concurrency", f"{handler}, {level} at a time", **found)


SEARCHES = [
    searched("container", 100, 120, trial(100, "sustained", 20.0), trial(120, "missed", 300.0)),
    searched("vm", 130, None, trial(130, "sustained", 20.0), trial(200, "void", None)),
]
BATCHES = [
    batch("works", 1, 50, 100),
    batch("works", 16, 51, 140),
    batch("waits", 1, 20, 400),
    batch("waits", 16, 200, 60),
]


def said(figure: Any) -> str:
    layout = figure.to_plotly_json()["layout"]
    texts = [layout["title"]["text"], *(a.get("text", "") for a in layout.get("annotations", ()))]
    return " ".join(" ".join(texts).replace("<br>", " ").replace("<b>", "").replace("</b>", "").split(" "))


def test_a_load_over_time_states_the_longest_queue_and_where_it_comes_from() -> None:
    text = said(charts.over_time(WHOLE))
    assert findings.over_time(WHOLE).title in text
    assert "Provenance: " in text
    assert "Test Processor 3000" in text


def test_the_queue_in_the_title_is_the_one_that_is_drawn() -> None:
    slow = made_up(
        "scaling",
        "vm",
        planned_s=[0.0, 0.1, 0.2, 0.3],
        latency_ms=[5000.0, 5000.0, 5000.0, None],
        status=["ok", "ok", "ok", "dropped"],
        duration_s=4.0,
        instances=[[0.0, 1.0], [4.0, 1.0]],
        counts={"ok": 3, "dropped": 1},
    )
    figure = charts.over_time(slow)
    assert "VM-style process 3" in said(figure)
    waiting = next(trace for trace in figure.data if "waiting" in trace.hovertemplate)
    assert max(waiting.y) == 3
    assert "of 4 requests 1 dropped (25 %)" in " ".join(findings.over_time(slow).reading)


@pytest.mark.parametrize("draw", [charts.over_time, charts.sustainable_rate, charts.concurrency])
def test_nothing_measured_is_said(draw: Any) -> None:
    assert "No " in said(draw(Run({}, {})))
    assert "No " in said(draw([]))


@pytest.mark.parametrize("damage", [{"planned_s": None}, {"status": ["ok"]}, {"latency_ms": "?"}, {"planned_s": ["x"]}])
def test_a_damaged_record_draws_what_there_is(damage: dict[str, Any]) -> None:
    whole = WHOLE.of("scaling")
    broken = replace(whole["vm"], detail={**whole["vm"].detail, **damage})
    assert "serverless" in said(charts.over_time([whole["serverless"], broken]))


def test_a_search_says_its_bracket_and_calls_a_winner_only_where_brackets_part() -> None:
    figure = charts.sustainable_rate(SEARCHES)
    assert "container between 100 and 120/s" in said(figure)
    assert "VM-style process 130/s or more" in said(figure)
    reading = " ".join(findings.sustainable_rate(SEARCHES).reading)
    assert "VM-style process sustained a rate that container missed" in reading
    assert "1 load does not count" in " ".join(findings.sustainable_rate(SEARCHES).notes)
    overlapping = [SEARCHES[0], searched("vm", 110, 130, trial(110, "sustained", 1.0), trial(130, "missed", 90.0))]
    assert "no difference" in " ".join(findings.sustainable_rate(overlapping).reading)
    none = searched("vm", None, 20, trial(20, "missed", None))
    assert "less than 20" in said(charts.sustainable_rate(none))


def test_batches_say_what_more_at_a_time_gains() -> None:
    text = said(charts.concurrency(BATCHES))
    assert "who works 1.02×" in text
    assert "who waits 10×" in text
    assert len(charts.concurrency(BATCHES).data) == 4


def test_the_figures_are_plain_json() -> None:
    for figure in (charts.over_time(WHOLE), charts.sustainable_rate(SEARCHES), charts.concurrency(BATCHES)):
        assert json.loads(figure.to_json())["data"]
