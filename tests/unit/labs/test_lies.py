"""What lab 03b computes: the truth of a stall by arithmetic, and how figures are put into words."""

from __future__ import annotations

import pytest

from workbench.labs import lies
from workbench.load import constant
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile


def test_who_comes_into_a_stall_waits_for_its_end() -> None:
    schedule = constant(rate=100, duration_s=4)
    truth = lies.stall_waits(schedule, begins_s=1, stall_s=1)
    assert len(truth) == 400
    assert sum(ms > 0 for ms in truth) == 100
    # Uniform over the stall: the slowest of a hundred wait all of it but 4 spacings of 10 ms, half wait not at all.
    assert percentile(truth, 99) == pytest.approx(960, abs=11)
    assert percentile(truth, 50) == 0
    assert lies.mean(truth) == pytest.approx(100 / 400 * 500, abs=5)


def test_a_mean_of_two_kinds_is_near_to_neither() -> None:
    mixed = [1.0] * 75 + [10.0] * 25
    assert lies.near(mixed, lies.mean(mixed)) == 0
    assert lies.share_near(mixed, lies.mean(mixed)) == "hardly any"
    assert lies.share_near([1.0] * 9, 1.1) == "most of them"


@pytest.mark.parametrize(
    ("larger", "said"),
    [(1.05, "about the same"), (1.9, "up to 2 times"), (4.0, "2 to 5 times"), (9.0, "more than 5 times")],
)
def test_a_factor_in_words(larger: float, said: str) -> None:
    assert lies.multiple(larger, 1.0) == said


def test_figures_beside_one_another_and_an_empty_row_where_nothing_was_measured() -> None:
    rows = lies.figures({"one": [1.0, 2.0, 3.0], "none": []}).text.splitlines()
    assert rows[1].split() == ["one", "3", "2.0", "ms", "2.8", "ms", "3.0", "ms", "2.0", "ms", "3.0", "ms"]
    assert rows[2].split() == ["none", "0", *["–"] * 5]


def test_the_first_request_spread_over_few_and_over_many() -> None:
    text = lies.longer_and_longer([100.0, *[1.0] * 19], counts=(5, 20, 50)).text
    assert "first 5   21 ms        1.0 ms" in text
    assert "first 20" in text
    assert "first 50" not in text


def measured(name: str, samples: list[float]) -> Measurement:
    return Measurement("order", name, "process", "ms", tuple(samples), Provenance("measured", "by hand"))


def test_no_winner_inside_the_noise() -> None:
    a = measured("A", [float(n % 5 + 10) for n in range(40)])
    slow = measured("B", [float(n % 5 + 20) for n in range(40)])
    alike = measured("B", [float((n + 2) % 5 + 10) for n in range(40)])
    assert lies.told_apart((a, slow)) == "slower"
    assert lies.told_apart((a, alike)) == "inside the noise"
    text = lies.compared({"then": (a, slow), "turns": (a, alike)}).text
    assert "B is slower" in text
    assert text.splitlines()[2].endswith("inside the noise")
