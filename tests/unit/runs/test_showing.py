"""A run as a terminal shows it: every number with its interval, what is doubtful marked, at a hundred columns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from tests.made_up_run import made_up_run
from workbench import recorded
from workbench.records import Measurement, Provenance, Run
from workbench.runs.quantities import interval_of, quantity
from workbench.runs.showing import show


def shown(run: Run, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        show(run, console)
    return captured.get()


def cold(samples: tuple[float, ...], **more: object) -> Run:
    measured = Measurement("cold_start", "vm", "process", "ms", samples, Provenance("measured", "by hand"))
    return Run({"name": "s"}, {}, (replace(measured, **more),))  # type: ignore[arg-type]


def row(run: Run) -> str:
    (line,) = [line for line in shown(run, 140).splitlines() if line.startswith("VM-style process (process) ")]
    return line


def test_every_experiment_has_its_table_and_its_provenance() -> None:
    text = shown(made_up_run())
    for what in ("Cold start", "Scaling", "Isolation", "Delivery", "Cost"):
        assert any(line.strip() == what for line in text.splitlines())
    assert text.count("Measured: ") == 4
    assert "Modelled: " in text
    assert "TEST DATA: nobody measured this." in text


def test_no_line_is_longer_than_the_terminal() -> None:
    for name in recorded.names():
        assert max(map(len, shown(recorded.recorded(name)).splitlines())) <= 100
    assert max(map(len, shown(made_up_run()).splitlines())) <= 100


@pytest.mark.parametrize("name", recorded.names())
def test_a_recorded_run_says_so_with_machine_and_date(name: str) -> None:
    text, run = " ".join(shown(recorded.recorded(name)).split()), recorded.recorded(name)
    assert "Recorded, not measured here" in text
    assert "Measured:" not in text
    assert run.environment["cpu"] in text
    assert run.created[:10] in text


def test_numbers_that_few_samples_cannot_bound_are_marked() -> None:
    few = row(cold(tuple(float(i) for i in range(10, 30))))
    assert "19.5\u00a0ms" in few
    assert "[15.0..24.0\u00a0ms]" in few
    assert few.count("~") == 2
    many = row(cold(tuple(float(i) for i in range(1, 401))))
    assert "~" not in many
    none = row(cold((5.0,)))
    assert "too few" in none
    assert none.count("ms") == 1


def test_requests_of_one_burst_bound_no_interval() -> None:
    text = row(cold(tuple(map(float, range(1, 100))), experiment="scaling"))
    assert "one load" in text
    assert "[" not in text


def test_an_interrupted_measurement_says_so() -> None:
    assert "2, interrupted" in row(cold((1.0, 2.0), complete=False))


def test_drift_is_in_the_table_and_in_words() -> None:
    run = cold(tuple(10 * 1.01**i for i in range(30)), taken_s=tuple(map(float, range(30))))
    assert "+33% [+33..+33]" in row(run)
    assert "slowed by 33 %" in shown(run)
    assert "drift" not in shown(cold(tuple(map(float, range(1, 100))), experiment="isolation"))


def test_advice_is_given_below_the_table() -> None:
    assert "To halve the interval of the median: VM-style process about" in shown(cold(tuple(map(float, range(1, 40)))))
    assert "VM-style process 4 more for any interval" in shown(cold((1.0, 2.0)))


def test_quantities_read_well() -> None:
    assert quantity(1500, "ms") == "1.50\u00a0s"
    assert quantity(12, "items") == "12.0\u00a0items"
    assert interval_of((900.0, 1200.0), "ms") == "[900\u00a0ms..1.20\u00a0s]"
    assert interval_of((1.0, 2.0), "ms") == "[1.00..2.00\u00a0ms]"
    assert interval_of((None, 2.0), "ms") == "[?..2.00\u00a0ms]"
    assert interval_of((1.0, None), "ms") == "[1.00\u00a0ms..?]"
    assert interval_of((0.1, 0.2), "usd") == "[$0.100..$0.200]"
    assert interval_of((None, None), "ms") == "too few"
