"""When a benchmark's target counts as met or missed, and how the table says so."""

from __future__ import annotations

import pytest

from tests.bench.scoreboard import Line, Scoreboard, Target, at_least, at_most
from workbench.statistics import Estimate


def line(value: float, low: float, high: float, target: Target | None) -> Line:
    return Line("rate", "10/s", "peer", "1/s", Estimate(value, low, high), target)


@pytest.mark.parametrize(
    ("value", "low", "high", "at_most_verdict", "at_least_verdict"),
    [
        (0.5, 0.4, 0.9, "met", "MISSED"),
        (0.9, 0.8, 1.1, "met, inside the noise", "missed, inside the noise"),
        (1.0, 0.9, 1.1, "met, inside the noise", "met, inside the noise"),
        (1.1, 0.9, 1.2, "missed, inside the noise", "met, inside the noise"),
        (1.5, 1.1, 2.0, "MISSED", "met"),
    ],
)
def test_the_verdict_follows_the_interval(
    value: float, low: float, high: float, at_most_verdict: str, at_least_verdict: str
) -> None:
    assert line(value, low, high, at_most(1)).verdict == at_most_verdict
    assert line(value, low, high, at_least(1)).verdict == at_least_verdict
    assert line(value, low, high, None).verdict == "no target"


def test_only_a_clear_miss_fails() -> None:
    board = Scoreboard()
    board.check([line(1.1, 0.9, 1.2, at_most(1)), line(9, 8, 10, None)])
    with pytest.raises(AssertionError, match=r"rate: 1\.50 \(1\.100 to 2\.000\) of peer, target ≤ 1"):
        board.check([line(1.5, 1.1, 2.0, at_most(1))])


def test_the_table_shows_every_line_and_fact_once() -> None:
    board = Scoreboard()
    board.add(line(1 / 16, 0.05, 0.07, at_most(1 / 15, "≤ 1/15")))
    board.note("not measured: something, as it is not installed")
    board.note("not measured: something, as it is not installed")
    table = board.table()
    assert "1/16.0 (0.050 to 0.070)" in table
    assert "≤ 1/15" in table
    assert table.count("not measured: something") == 1
