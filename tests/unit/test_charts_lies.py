"""The charts of lab 03b: a tail, a mean among its samples, and samples in the order they were taken."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile


def test_a_tail_is_drawn_to_its_slowest_and_by_its_percentiles() -> None:
    ms = [float(n) for n in range(1, 1001)]
    line = charts.tails({"open loop": ms}).data[0]
    assert (line.y[0], line.y[-1]) == (1, 1000)
    assert list(line.x) == sorted(line.x)
    assert list(line.y) == sorted(line.y)
    at_99 = min(zip(line.x, line.y, strict=True), key=lambda point: abs(math.log(point[0] / 100)))
    assert at_99[1] == pytest.approx(percentile(ms, 99), rel=0.01)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
@settings(max_examples=30, deadline=None)
def test_any_samples_make_few_points_in_order(ms: list[float]) -> None:
    line = charts.tails({"any": ms}).data[0]
    assert len(line.x) <= min(len(ms), 302)
    assert line.y[-1] == max(*ms, 0.1)
    assert list(line.y) == sorted(line.y)
    assert sum(charts.histogram(ms).data[0].y) == len(ms)


def test_what_was_computed_is_said_to_be_and_looks_different() -> None:
    figure = charts.tails({"open loop": [1.0, 2.0]}, modelled={"arithmetic": [0.0, 3.0]})
    measured, modelled = figure.data
    assert modelled.name == "Arithmetic (modelled)"
    assert modelled.line.dash != measured.line.dash
    notes = next(a.text for a in figure.layout.annotations if a.name == "provenance")
    assert "measured here and now" in notes
    assert "arithmetic (modelled) computed, not measured" in notes


def test_without_a_sample_there_is_nothing_to_draw() -> None:
    for figure in (charts.tails({"closed loop": []}), charts.histogram([]), charts.sequence({"A then B": ()})):
        assert not figure.data
        assert "Nothing was measured" in figure.layout.title.text
    half = charts.tails({"open loop": [1.0], "closed loop": []})
    assert "Without a sample, so not drawn: closed loop" in " ".join(a.text for a in half.layout.annotations)


def test_the_mean_and_the_median_stand_where_they_are() -> None:
    ms = [1.0] * 75 + [10.0] * 25
    figure = charts.histogram(ms)
    assert [shape.x0 for shape in figure.layout.shapes] == [3.25, 1.0]
    assert "0 of 100 requests took about as long as the mean says" in figure.layout.title.text


def order(name: str, ms: list[float], at_s: list[float], *, complete: bool = True) -> Measurement:
    detail = {"interleaved": False, "at_s": at_s, "busy_s": [2.0, 4.0], "p50_ms": percentile(ms, 50)}
    provenance = Provenance("measured", "by hand")
    return Measurement("order", name, "process", "ms", tuple(ms), provenance, detail=detail, complete=complete)


def test_a_row_for_each_order_with_the_busy_time_tinted() -> None:
    a = order("A", [5.0] * 8, [n / 4 for n in range(8)])
    b = order("B", [9.0] * 7, [2 + n / 4 for n in range(7)], complete=False)
    figure = charts.sequence({"A then B": (a, b), "A B A B": (a, a)})
    assert "B seems slower" in figure.layout.title.text
    assert "the difference is inside the noise" in figure.layout.title.text
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(2.0, 4.0)] * 2
    medians = [trace.y[0] for trace in figure.data if trace.mode == "lines"]
    assert medians == [5, 9, 5, 5]
    assert "B: interrupted" in " ".join(a.text for a in figure.layout.annotations)
