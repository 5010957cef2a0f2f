from __future__ import annotations

import json
from typing import Any

import pytest

from workbench import tradeoff
from workbench.findings.forces import FORCES
from workbench.records import Measurement, Provenance, Run

MEASURED = Provenance("measured", "by hand")


def measurement(experiment: str, unit: str, samples: tuple[float, ...], **detail: Any) -> Measurement:
    kind = Provenance("modelled", "prices") if experiment == "cost" else MEASURED
    return Measurement(experiment, "vm", "process", unit, samples, kind, detail=detail)


def delivery(**changes: Any) -> Measurement:
    detail = {
        "languages": {"python": {"works": True}, "node": {"works": False}},
        "asked_while_updating": 20,
        "failed_while_updating": 1,
        "recovery_s": [0.2, 0.4, 0.3],
        "telemetry": {"logs": True, "phases": False},
        "cpu_share": {"expected": 0.25, "measured": 0.26},
        "memory_limit": {"held": False},
        **changes,
    }
    return measurement("delivery", "s", (0.5, 0.7, 0.6), **detail)


def run(*measurements: Measurement) -> Run:
    return Run({}, {}, measurements)


FULL = run(
    measurement("scaling", "ms", (1.0,), time_to_goal_s=0.3),
    measurement("isolation", "ms", (1.0,), held=7, tried=9, probes=[]),
    delivery(),
    measurement("cost", "usd", (1.5,), usd_per_million=1.5, at_rate_per_h=3600),
)


def evidence(run: Run, path: str) -> Any:
    found: Any = run.to_json()
    for part in path.split("."):
        found = found[part]
    return found


def test_nine_rows_each_with_its_value_and_unit() -> None:
    cells = {force: row["vm"] for force, row in tradeoff.table(FULL).items()}
    assert list(cells) == list(FORCES)
    assert {force: (cell["value"], cell["unit"]) for force, cell in cells.items()} == {
        "languages": (1, "of 2: python"),
        "instances": (0.3, "s"),
        "independent": (1, "of 20"),
        "isolated": (7, "of 9 held"),
        "quick": (0.6, "s"),
        "constrained": ({"CPU": True, "memory": False}, ""),
        "monitored": (1, "of 2"),
        "reliable": (0.3, "s"),
        "cost": (1.5, "usd per million requests"),
    }
    assert {cell["provenance"] for force, cell in cells.items() if force != "cost"} == {"measured"}
    assert cells["cost"]["provenance"] == "modelled"


def test_every_path_leads_to_its_evidence_in_the_saved_run() -> None:
    for row in tradeoff.table(FULL).values():
        for cell in row.values():
            evidence(FULL, cell["evidence"])  # KeyError when it leads nowhere
    assert evidence(FULL, tradeoff.table(FULL)["reliable"]["vm"]["evidence"]) == [0.2, 0.4, 0.3]


def test_what_was_not_measured_has_no_value_and_says_why() -> None:
    row = tradeoff.table(run(measurement("scaling", "ms", (1.0,), time_to_goal_s=None)))
    assert row["instances"]["vm"]["value"] == "never in this burst"
    assert row["cost"]["vm"]["value"] is None
    assert row["cost"]["vm"]["evidence"] is None
    assert "cost experiment has no result for vm" in row["cost"]["vm"]["reason"]


@pytest.mark.parametrize(
    ("changes", "force", "value"),
    [
        ({"recovery_s": []}, "reliable", None),
        ({"asked_while_updating": 0}, "independent", None),
        ({"memory_limit": {"held": None}}, "constrained", {"CPU": True}),
        ({"memory_limit": {"held": None}, "cpu_share": {"expected": 1, "measured": None}}, "constrained", None),
        ({"cpu_share": {"expected": 0.25, "measured": 1.9}}, "constrained", {"CPU": False, "memory": False}),
        ({"languages": {}}, "languages", 0),
    ],
)
def test_gaps_in_the_evidence_stay_gaps(changes: dict[str, Any], force: str, value: Any) -> None:
    assert tradeoff.table(run(delivery(**changes)))[force]["vm"]["value"] == value


def test_an_interrupted_experiment_fills_what_it_can() -> None:
    part = Measurement("delivery", "vm", "process", "s", (0.5,), MEASURED, detail={"recovery_s": []}, complete=False)
    cells = tradeoff.table(run(part))
    assert cells["quick"]["vm"]["value"] == 0.5
    assert "interrupted" in cells["monitored"]["vm"]["reason"]


def test_the_table_is_json_and_survives_the_run_file() -> None:
    table = tradeoff.table(FULL)
    assert json.loads(json.dumps(table)) == table


def test_as_text_it_reads_like_a_table() -> None:
    text = tradeoff.as_text(tradeoff.table(FULL))
    for words in ("vm", "(process)", "300 ms", "7 of 9 held", "CPU held, memory not held", "~ $1.50", "3,600 an hour"):
        assert words in text


def test_brackets_in_a_reason_are_shown_and_not_obeyed() -> None:
    cells = tradeoff.table(FULL)
    cells["quick"]["vm"] |= {"value": None, "reason": "[bold]not[/bold] here"}
    assert "[bold]" in tradeoff.as_text(cells, width=200)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "at once"), (0.0004, "under 1 ms"), (0.25, "250 ms"), (2.345, "2.3 s"), (90.0, "1.5 min")],
)
def test_durations_in_the_unit_a_person_would_use(value: float, text: str) -> None:
    assert tradeoff.seconds(value) == text
