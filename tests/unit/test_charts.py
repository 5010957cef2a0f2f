"""Every chart draws whole and partial runs, states its finding and its provenance, and can be read without colour."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.made_up_run import made_up_run
from workbench import charts, findings
from workbench.records import Measurement, Provenance, Run

CHARTS = {
    "cold_start": charts.cold_start,
    "scaling": charts.scaling,
    "isolation": charts.isolation,
    "noisy_neighbour": charts.noisy_neighbour,
    "cost": charts.cost,
}
SOURCES = {name: "isolation" if name == "noisy_neighbour" else name for name in CHARTS}
WHOLE = made_up_run()


def said(figure: Any) -> str:
    """All the text of a figure's layout, on one line."""
    layout = figure.to_plotly_json()["layout"]
    texts = [layout["title"]["text"], *(a.get("text", "") for a in layout.get("annotations", ()))]
    return " ".join(" ".join(texts).replace("<br>", " ").replace("<b>", "").replace("</b>", "").split(" "))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_states_its_finding_and_provenance(name: str) -> None:
    text = said(CHARTS[name](WHOLE))
    assert findings.findings(WHOLE)[name].title in text
    assert "Provenance: " in text
    assert "Test Processor 3000" in text or "modelled" in text


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_takes_one_measurement_or_several(name: str) -> None:
    measured = WHOLE.of(SOURCES[name])
    assert len(CHARTS[name](measured["serverless"]).data) >= 1
    assert len(CHARTS[name](measured.values()).data) >= 1


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_says_so(name: str) -> None:
    assert "No " in said(CHARTS[name](Run({}, {})))


@pytest.mark.parametrize("name", CHARTS)
def test_a_missing_deployment_is_named(name: str) -> None:
    kept = tuple(m for m in WHOLE.measurements if (m.experiment, m.deployment) != (SOURCES[name], "container"))
    assert "measured for container" in said(CHARTS[name](replace(WHOLE, measurements=kept)))


@pytest.mark.parametrize("name", CHARTS)
def test_no_letter_is_smaller_than_twelve(name: str) -> None:
    def sizes(part: Any) -> list[float]:
        if isinstance(part, dict):
            own = [part["font"]["size"]] if isinstance(part.get("font"), dict) and "size" in part["font"] else []
            ticks = [part["tickfont"]["size"]] if "tickfont" in part else []
            return own + ticks + [size for inner in part.values() for size in sizes(inner)]
        return [size for inner in part for size in sizes(inner)] if isinstance(part, list | tuple) else []

    drawn = CHARTS[name](WHOLE).to_plotly_json()["layout"]
    drawn.pop("template", None)
    assert min(sizes(drawn)) >= 12


def test_all_that_failed_is_drawn_as_failed() -> None:
    burst = WHOLE.of("scaling")["serverless"]
    n = len(burst.detail["planned_s"])
    detail = {
        **burst.detail,
        "latency_ms": [None] * n,
        "status": ["error"] * n,
        "counts": {"error": n},
        "time_to_goal_s": None,
    }
    figure = charts.scaling(replace(burst, samples=(), detail=detail))
    marks = [t for t in figure.data if t.name == "error, no answer"]
    assert len(marks[0].x) == n
    assert "nothing was answered" in said(figure)


def test_every_sample_is_a_dot() -> None:
    figure = charts.cold_start(WHOLE)
    dots = [t for t in figure.data if t.legendgroup == "sample"]
    assert sorted(x for t in dots for x in t.x) == sorted(s for m in WHOLE.of("cold_start").values() for s in m.samples)


def test_unseen_phases_are_not_drawn_as_zero_time() -> None:
    measured = WHOLE.of("cold_start")["vm"]
    blind = {key: [None] * 20 for key in ("sandbox", "runtime_init", "function_init", "handler")}
    figure = charts.cold_start(replace(measured, detail={**measured.detail, "phases_ms": blind}))
    rest = next(t for t in figure.data if t.legendgroup == "rest")
    assert rest.x[0] == pytest.approx(measured.detail["p50_ms"])


def test_one_sample_has_no_interval_and_no_winner() -> None:
    single = [replace(m, samples=m.samples[:1], detail={}) for m in WHOLE.of("cold_start").values()]
    assert "noise" in said(charts.cold_start(single))


def test_colour_is_never_the_only_difference() -> None:
    patterns = {t.marker.pattern.shape for t in charts.cold_start(WHOLE).data if t.type == "bar"}
    assert len(patterns) == 5
    assert len({t.line.dash for t in charts.cost(WHOLE).data if t.mode == "lines"}) == 3
    words = {text.strip() for t in charts.isolation(WHOLE).data if t.type == "scatter" for text in t.text}
    assert words == {"held", "broken", "not testable"}
    symbols = {t.marker.symbol for t in charts.isolation(WHOLE).data if t.type == "scatter"}
    assert len(symbols) == 3


def test_the_break_even_is_marked_with_its_interval() -> None:
    marks = [t for t in charts.cost(WHOLE).data if t.name == "break-even"]
    assert [round(t.x[0]) for t in marks] == [20_130, 47_779]
    assert marks[0].error_x.arrayminus[0] == pytest.approx(20_130 * 0.07)


def test_the_table_has_the_nine_forces() -> None:
    table = charts.tradeoff_table(WHOLE).data[0]
    assert len(table.cells.values[0]) == 9
    assert len(table.header["values"]) == 4
    assert "No trade-off" in said(charts.tradeoff_table(Run({}, {})))


def test_a_hostile_name_stays_text() -> None:
    hostile = "</script><img src=x onerror=alert(1)>"
    cold = replace(WHOLE.of("cold_start")["vm"], deployment=hostile)
    html = charts.to_html(json.loads(charts.cold_start(cold).to_json()), "figure-1")
    assert "<img" not in html
    assert html.count("</script>") == html.count("<script")


def test_a_burst_of_any_size_stays_drawable() -> None:
    planned = [i / 1000 for i in range(50_000)]
    detail = {"planned_s": planned, "latency_ms": [5.0] * 50_000, "status": ["ok"] * 50_000, "goal_ms": 10}
    figure = charts.scaling(
        Measurement("scaling", "vm", "process", "ms", (5.0,), Provenance("measured", "t"), detail=detail)
    )
    assert len(figure.to_json()) < 500_000
    assert "1 answer in 17 drawn" in said(figure)


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(CHARTS)))
def test_no_detail_however_odd_breaks_a_chart(data: st.DataObject, name: str) -> None:
    measured = WHOLE.of(SOURCES[name])["serverless"]
    odd = dict(measured.detail)
    for key in data.draw(st.lists(st.sampled_from(sorted(odd)), min_size=1, max_size=4)):
        odd[key] = data.draw(_json)
    samples = tuple(data.draw(st.lists(st.floats(0.01, 1e6), max_size=3)))
    figure = CHARTS[name]([replace(measured, detail=odd, samples=samples), WHOLE.of(SOURCES[name])["vm"]])
    assert "Provenance" in said(figure)
    figure.to_json()
