"""The figures of factors, phases, keep-alive and cold share: they draw every sample, name what is missing, and read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.made_up_run import made_up_run
from tests.unit.test_charts import said
from workbench import charts, findings
from workbench.experiments.bracket import Try
from workbench.experiments.cold_share import _measurement as share_measurement
from workbench.experiments.keep_alive import _measurement as probe_measurement
from workbench.records import Measurement, Provenance, Run

FAST = (10.0, 11.0, 12.0, 10.5, 11.5, 12.5, 10.2)
SLOW = tuple(30 * value for value in FAST)


def level(name: str, samples: tuple[float, ...], **more: Any) -> Measurement:
    how = Provenance("measured", f"{len(samples)} cold starts, each confirmed by a new instance")
    detail = {"factor": "memory", "level": name, "deploy_s": 0.5, **more}
    warmups = (samples[0] * 1.5,) if samples else ()
    return Measurement("cold_start_by_memory", name, "process", "ms", samples, how, warmups, detail)


LEVELS = (level("128 MB", SLOW), level("512 MB", FAST), level("9 TB", (), reason="This machine is too small."))


class Closed:
    """What a measurement needs to know of a deployment."""

    pattern, sandbox = "serverless", "process"


def probe(*tries: Try, resolved: bool = True) -> Measurement:
    deployment: Any = Closed()
    return probe_measurement(deployment, tries, 1, 30.0, resolved, True)


FIXED = probe(Try(1, 1.0, 1.1, False), Try(2, 2.0, 2.2, True), Try(1.5, 1.5, 1.6, False))


def shares(expiry_s: Any = 1.0) -> Measurement:
    modelled, drawn = ([0.36, 0.37], 0.4) if expiry_s else (None, None)
    rows = [
        {"rate_per_s": rate, "of": 20, "cold": cold, "share": cold / 20, "ci95": ci, "unconfirmed": 1, "counts": {},
         "kept_up": True, "modelled_share": modelled, "drawn_share": drawn}
        for rate, cold, ci in ((2.0, 2, [0.01, 0.32]), (0.5, 12, [0.36, 0.81]))
    ]  # fmt: skip
    deployment: Any = Closed()
    return share_measurement(deployment, rows, expiry_s, True)


def points(figure: Any, name: str) -> list[float]:
    return [x for trace in figure.data if trace.name and trace.name.startswith(name) for x in trace.x]


def test_every_sample_of_every_level_is_a_dot_and_the_finding_is_the_title() -> None:
    figure = charts.cold_start_by(LEVELS)
    assert sorted(points(figure, "one sample")) == sorted([*SLOW, *FAST])
    assert sorted(points(figure, "the first")) == [15.0, 450.0]
    assert findings.cold_start_by(LEVELS).title == "Cold starts by memory: 128 MB takes 30× as long as 512 MB"
    assert findings.cold_start_by(LEVELS).title in said(figure)
    assert "Provenance: measured" in said(figure)
    assert figure.layout.xaxis.type == "log"
    assert sum(trace.type == "box" for trace in figure.data) == 2


def test_a_level_that_was_not_possible_is_named_with_the_reason_in_its_row() -> None:
    text = said(charts.cold_start_by(LEVELS))
    assert "not possible here: This machine is too small" in text
    assert "9 TB is not possible here: This machine is too small." in text


def test_levels_inside_the_noise_have_no_winner() -> None:
    title = findings.cold_start_by([level("a", FAST), level("b", FAST[::-1])]).title
    assert title == "Cold starts by memory: the levels differ by no more than the noise"


def test_a_process_is_no_vm_in_a_comparison_of_deployments() -> None:
    one = level("vm", FAST, factor="deployment")
    assert "VM-style process" in findings.cold_start_by(one).title


def test_few_samples_have_no_box() -> None:
    figure = charts.cold_start_by(level("a", FAST[:3]))
    assert [trace.type for trace in figure.data if trace.type == "box"] == []


def test_phases_are_rows_with_all_their_samples() -> None:
    found = made_up_run().of("cold_start")["serverless"]
    figure = charts.cold_phases(found)
    phases = found.detail["phases_ms"]
    assert sorted(points(figure, "one sample")) == sorted(
        v for values in phases.values() for v in values if v is not None
    )
    assert "Longest at the median: " in said(figure)


def test_a_bracket_is_a_band_and_every_wait_a_mark() -> None:
    figure = charts.keep_alive(FIXED)
    assert points(figure, "warm") == [1.0, 1.5]
    assert points(figure, "cold") == [2.0]
    (band,) = figure.layout.shapes
    assert (band.x0, band.x1) == (1.5, 2.2)
    assert "keeps an idle instance for between 1.50 s and 2.20 s" in said(figure).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (probe(Try(1, 1.0, 1.1, False), Try(8, 8.0, 8.1, False)), "kept every instance that was idle for up to 8.00 s"),
        (probe(Try(1, 1.0, 1.1, True), Try(8, 8.0, 8.1, False)), "keeps idle instances for different times"),
        (replace(FIXED, detail={**FIXED.detail, "resolved": False}), "before the bracket was as narrow as asked"),
        (replace(FIXED, detail={**FIXED.detail, "unconfirmed": 2}), "2 waits could not be confirmed"),
    ],
)
def test_a_probe_claims_no_more_than_it_saw(found: Measurement, words: str) -> None:
    assert words in said(charts.keep_alive(found)).replace("\xa0", " ")


def test_the_model_is_a_line_that_says_so_and_the_points_are_measured() -> None:
    figure = charts.cold_share(shares())
    assert points(figure, "measured") == [0.5, 2.0]
    assert len(points(figure, "modelled: exp(−rate × expiry)")) > 10
    assert "the line is modelled" in said(figure)
    assert findings.cold_share(shares()).title == "At 0.5/s, 60 % of the requests start cold; at 2/s, 10 %"
    assert "outside the interval at 2/s" in " ".join(findings.cold_share(shares()).reading)
    assert "2 requests had no good or no clear answer" in said(figure)


def test_without_an_expiry_nothing_is_modelled() -> None:
    figure = charts.cold_share(shares(None))
    assert [trace.name for trace in figure.data] == ["measured"]
    assert "modelled" not in said(figure)


@pytest.mark.parametrize("draw", [charts.cold_start_by, charts.cold_phases, charts.keep_alive, charts.cold_share])
def test_a_chart_of_nothing_says_so(draw: Any) -> None:
    assert "No " in said(draw(Run({}, {})))
