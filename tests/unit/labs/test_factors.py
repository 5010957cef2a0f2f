"""What labs say of a factor and of an idle expiry that was probed."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import DeploymentError
from workbench.labs import GROWTHS, WAITS, by_factor, grown, unveiled, waits
from workbench.labs.idle import LONGEST_S, SHORTEST_S, forgetful
from workbench.records import Measurement, Provenance
from workbench.samples import sample

FAST = (10.0, 11.0, 12.0, 10.5, 11.5, 12.5)


def level(name: str, factor: float) -> Measurement:
    samples = tuple(factor * value for value in FAST)
    return Measurement(
        "cold_start_by_x", name, "process", "ms", samples, Provenance("measured", ""), detail={"level": name}
    )


@pytest.mark.parametrize(("factor", "said"), [(1.01, 0), (1.8, 1), (0.6, 1), (3, 2), (0.1, 3), (20, 3)])
def test_growth_is_from_the_quickest_level_to_the_slowest(factor: float, said: int) -> None:
    assert grown([level("a", 1), level("b", factor), level("c", 1)]) == GROWTHS[said]


def test_one_level_grows_by_nothing_that_can_be_said() -> None:
    assert grown([level("a", 1)]) is None


def probed(*gaps: float, low: float = 1.0, high: float | None = 1.5) -> Measurement:
    detail = {"tries": [[gap, gap, gap, False] for gap in gaps for _ in range(3)], "low_s": low, "high_s": high}
    return Measurement("keep_alive", "serverless", "process", "s", gaps, Provenance("measured", ""), detail=detail)


@pytest.mark.parametrize(("number", "said"), [(1, 0), (5, 0), (6, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_waits_of_several_functions_at_once_count_once(number: int, said: int) -> None:
    assert waits(probed(*range(number))) == WAITS[said]


class Told:
    """A platform that was told its expiry."""

    idle_expiry_s = 1.2


@pytest.mark.parametrize(("low", "high", "kind"), [(1.0, 1.5, "good"), (1.3, 1.5, "note"), (1.0, None, "note")])
def test_the_bracket_is_held_against_what_was_given(low: float, high: float | None, kind: str) -> None:
    function: Any = Told()
    panel = unveiled(probed(1, low=low, high=high), function)
    assert panel.kind == kind
    assert "1.20" in panel.text


def test_an_expiry_is_drawn_within_what_the_lab_says(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr("workbench.labs.idle.deploy", lambda *_, idle_expiry_s: given.append(idle_expiry_s))
    for _ in range(50):
        forgetful(sample("pricing"))
    assert len(set(given)) > 10
    assert 0.2 < SHORTEST_S <= min(given) <= max(given) <= LONGEST_S < 4


def test_a_factor_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DeploymentError, match="technique, package size"):
        by_factor("colour", sample("pricing"))
