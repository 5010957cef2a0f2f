"""The interference matrix: ratios of p50 and p99 with their intervals, and no effect claimed inside the noise."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from workbench import charts, findings, matrix_job
from workbench.experiments.effects import Effect
from workbench.experiments.isolation_matrix import _Column
from workbench.experiments.pressures import PRESSURES
from workbench.findings import matrix, shifts
from workbench.records import Measurement, Run
from workbench.report.matrix import page


def samples(seed: int, n: int, *, middle: float = 1.0, tail: float = 1.0) -> list[float]:
    """TEST DATA: around `middle`, but for every twentieth, which is `tail` times as long."""
    draw = random.Random(seed)
    return [middle * draw.uniform(0.9, 1.1) * (tail if k % 20 == 0 else 1) for k in range(n)]


def column(name: str, n: int, **during: float) -> Measurement:
    made = _Column(name, type("Deployment", (), {"sandbox": name})())
    ms = {"before": samples(1, n), "during": samples(2, n, **during), "after": samples(3, n)}
    made.effects = [Effect(PRESSURES[0], ms, during_s=[[1.0, 2.0]], pressed=["pressed"])]
    return made.measurement(True)


SLOW, TAIL, CALM, FEW = (
    column("slow", 200, middle=3.0),
    column("tail", 200, tail=5.0),
    column("calm", 200),
    column("few", 40, middle=3.0),
)
RUN = Run({"name": "made up"}, {"cpu": "Test CPU"}, (SLOW, TAIL, CALM, FEW), created="2026-08-01T10:00:00+00:00")


def shift(m: Measurement, q: int) -> shifts.Shift | None:
    return shifts.shift(matrix.pressures(m)[0], q)


def found(m: Measurement, q: int) -> shifts.Shift:
    one = shift(m, q)
    assert one is not None
    return one


def test_a_pressure_can_move_the_median_or_the_tail_alone_or_nothing() -> None:
    assert found(SLOW, 50).ratio == pytest.approx(3, rel=0.05)
    assert found(SLOW, 50).interval[0] > 2.8
    assert (found(TAIL, 50).effect, found(TAIL, 99).effect) == ("inside the noise", "slower")
    assert found(TAIL, 99).ratio == pytest.approx(5, rel=0.15)
    assert {found(CALM, q).effect for q in shifts.PERCENTILES} == {"inside the noise"}


def test_a_p99_of_few_samples_is_left_out_and_said_to_be() -> None:
    assert found(FEW, 50).effect == "slower"
    assert shift(FEW, 99) is None
    notes = findings.interference(RUN).notes
    assert "1 p99s are left out, with fewer than 100 samples a side." in notes
    assert any("rest on 200 samples" in note for note in notes)


def test_what_an_older_record_lacks_is_computed_from_the_samples_it_kept() -> None:
    pressure: dict[str, Any] = dict(TAIL.detail["pressures"][0])
    for name in ("ratio_p99", "ci95_ratio_p99", "ci95_ratio_p50"):
        del pressure[name]
    older = replace(TAIL, detail={**TAIL.detail, "pressures": [pressure]})
    assert shift(older, 99) == shift(TAIL, 99)
    assert shift(older, 50) == shift(TAIL, 50)


def test_it_counts_what_is_beyond_the_noise_and_names_the_worst() -> None:
    finding = findings.interference(RUN)
    assert finding.title == "A neighbour's pressure slows 2 of 4 medians and 2 of 3 p99s beyond the noise"
    assert "The p99 that suffers most is that of tail under memory bomb" in " ".join(finding.reading)
    assert "No pressure was measured" in findings.interference(Run({}, {})).title


def test_the_chart_has_a_number_only_where_there_is_an_effect() -> None:
    heat = charts.interference(RUN).data[0]
    assert heat.text[0][2] == heat.text[1][2] == "inside the noise"
    assert heat.text[0][0].startswith("<b>3.0×</b> (")
    assert heat.text[1][3] == "too few samples"
    assert heat.z[0][0] > heat.z[0][2]
    assert "Nothing to draw." in str(charts.interference(Run({}, {})).layout.annotations)


def test_page_and_table_say_it_too() -> None:
    assert "What is beyond the noise" in page(RUN)
    shown = [next(iter(c.cells)) for c in matrix_job.table(RUN.measurements).columns]
    assert shown[1].startswith("broken, p50 3.0×, p99 ")
    assert shown[2].startswith("held, p99 ")
    assert shown[3] == "held, inside the noise"


def test_requests_that_failed_stand_where_no_number_would_tell_it() -> None:
    failed = {**SLOW.detail["pressures"][0], "failed": {"before": 0, "during": 7, "after": 0}, "held": False}
    hurt = replace(SLOW, detail={**SLOW.detail, "pressures": [failed]})
    assert charts.interference([hurt]).data[0].text[0][0] == "7 requests failed"
