"""Two runs against each other: nothing is called a difference that is none, and unlike things are not compared."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from tests.made_up_run import made_up_run
from workbench.errors import RecordError
from workbench.records import Measurement, Provenance, Run
from workbench.runs import compare
from workbench.runs.comparing import advice, notes, table


def run(*middles: float, count: int = 30, seed: int = 1, experiment: str = "cold_start", **more: Any) -> Run:
    draw = random.Random(seed)
    return Run(
        {"name": "pricing", "handler": "app.handler", "runtime": "python3.11", "memory_mb": 512},
        {"cpu": "Test", "cores": 2, "memory_mb": 1000, "kernel": "6"},
        tuple(
            Measurement(
                experiment,
                name,
                "process",
                "ms",
                tuple(middle * draw.lognormvariate(0, 0.1) for _ in range(count)),
                Provenance("measured", "made up"),
            )
            for name, middle in zip(("serverless", "container", "vm"), middles, strict=False)
        ),
        created="2026-08-01T10:00:00+00:00",
        **more,
    )


def test_a_change_is_named_with_its_ratio_and_what_is_noise_is_not() -> None:
    slower, same = compare(run(10, 50), run(15, 50.2, seed=2))
    assert slower.verdict == "second slower"
    assert slower.ratio is not None
    assert slower.ratio.low < 1.5 < slower.ratio.high
    assert same.verdict == "inside the noise"
    (said,) = advice([slower, same])
    assert said.startswith("Cold start, container: The 95 % interval of their ratio is")
    assert "more samples of each would halve it" in said


def test_a_run_against_itself_has_no_difference() -> None:
    whole = made_up_run()
    found = compare(whole, whole)
    assert {c.verdict for c in found} == {"inside the noise", "one load: none", "modelled: none", "too few samples"}


def test_too_few_samples_are_never_a_verdict() -> None:
    (one,) = compare(run(10, count=5), run(1000, count=5))
    assert one.verdict == "too few samples"
    assert one.ratio is None
    assert "take 1 more" in advice([one])[0]


@pytest.mark.parametrize(
    ("part", "change", "option"),
    [
        ("environment", {"cpu": "Another"}, "across_machines"),
        ("environment", {"cores": 8}, "across_machines"),
        ("environment", {"kernel": "7"}, "across_machines"),
        ("service", {"name": "other"}, "across_services"),
        ("service", {"memory_mb": 1024}, "across_services"),
        ("service", {"payload": {"n": 1}}, "across_services"),
    ],
)
def test_unlike_runs_are_refused_with_what_differs_unless_wanted(
    part: str, change: dict[str, Any], option: str
) -> None:
    first = run(10)
    second = replace(first, **{part: {**getattr(first, part), **change}})  # type: ignore[arg-type]
    with pytest.raises(RecordError, match=rf"{next(iter(change))}: .*--{option.replace('_', '-')}"):
        compare(first, second)
    found = compare(first, second, **{option: True})
    assert any(next(iter(change)) in note for note in notes(first, second, found))


def test_other_code_is_what_runs_are_compared_for_and_is_said() -> None:
    first, second = run(10), run(10, seed=2)
    first = replace(first, service={**first.service, "package_sha256": "a" * 64})
    second = replace(second, service={**second.service, "package_sha256": "b" * 64})
    said = " ".join(notes(first, second, compare(first, second)))
    assert "the code (aaaaaaaa and bbbbbbbb)" in said


def test_times_of_two_days_are_not_taken_in_turn() -> None:
    first, second = run(10), run(10, seed=2)
    later = replace(second, created="2026-08-04T10:00:00+00:00")
    assert "3 days apart and not in turn" in notes(first, later, compare(first, later))[0]
    undated = replace(second, created="some day")
    assert "not measured in turn" in notes(first, undated, compare(first, undated))[0]


def test_when_everything_became_faster_the_machine_is_suspected() -> None:
    first, second = run(10, 50, 30), run(5, 25, 15, seed=2)
    assert any("suspect the machine" in note for note in notes(first, second, compare(first, second)))
    mixed = run(5, 60, 15, seed=2)
    assert not any("suspect" in note for note in notes(first, mixed, compare(first, mixed)))


def test_bursts_get_no_verdict_and_other_bursts_say_what_differs() -> None:
    first, second = run(10, experiment="scaling"), run(90, experiment="scaling")
    (one,) = compare(first, second)
    assert (one.verdict, one.ratio) == ("one load: none", None)
    rated = [
        replace(r, measurements=(replace(r.measurements[0], detail={"rate_per_s": rate}),))
        for r, rate in ((first, 30), (second, 60))
    ]
    (other,) = compare(*rated)
    assert "rate_per_s: 30 and 60" in other.verdict


def test_another_sandbox_and_an_interruption_are_said() -> None:
    first, second = run(10), run(10, seed=2, complete=False)
    boxed = replace(second, measurements=(replace(second.measurements[0], sandbox="docker"),))
    said = " ".join(notes(first, boxed, compare(first, boxed)))
    assert "serverless: process and Docker" in said
    assert "second run was interrupted" in said


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(RecordError, match="in common"):
        compare(run(10), run(10, experiment="delivery"))


def test_a_median_of_zero_has_no_ratio() -> None:
    first = run(10)
    still = replace(first, measurements=(replace(first.measurements[0], samples=(0.0,) * 30),))
    (one,) = compare(still, first)
    assert one.ratio is None


def test_the_table_fits_a_hundred_columns() -> None:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(table(compare(made_up_run(), made_up_run(seed=3))))
    lines = captured.get().splitlines()
    assert len(lines) == 16
    assert all("…" not in line for line in lines)
