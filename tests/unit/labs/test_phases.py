"""What a lab says of phases: which is heaviest, and which a technique took away."""

from __future__ import annotations

from workbench.labs import PHASES, heaviest, phases, vanished
from workbench.records import Measurement, Provenance


def measured(deployment: str, sandbox: float | None, runtime: float | None, function: float | None) -> Measurement:
    values = {"sandbox": sandbox, "runtime_init": runtime, "function_init": function, "handler": 1.0}
    each = {name: [None if value is None else value * n for n in (1, 0.5, 2)] for name, value in values.items()}
    return Measurement(
        "cold_start", deployment, "x", "ms", (500.0,), Provenance("measured", "a test"), detail={"phases_ms": each}
    )


SPAWN = measured("spawn", 80, 70, 60)
ZYGOTE = measured("zygote", 20, 1, 58)
SNAPSHOT = measured("snapshot", 15, 2, 0.01)


def test_phases_are_medians_by_the_name_a_person_reads() -> None:
    assert phases(SPAWN) == {"sandbox": 80, "runtime init": 70, "function init": 60, "handler": 1}
    assert set(phases(SPAWN)) == set(PHASES)
    assert "sandbox" not in phases(measured("x", None, 1, 2))


def test_the_heaviest_phase_is_the_one_of_the_largest_median() -> None:
    assert heaviest(SPAWN) == "sandbox"
    assert heaviest(ZYGOTE) == "function init"


def test_what_vanished_shrank_by_the_largest_factor_not_by_the_most_milliseconds() -> None:
    every = [SPAWN, ZYGOTE, SNAPSHOT]
    assert vanished(every, "zygote", before="spawn") == "runtime init"
    assert vanished(every, "snapshot", before="zygote") == "function init"


def test_a_phase_below_the_clocks_noise_is_no_larger_a_factor_for_it() -> None:
    was, now = measured("was", 1, 50, 1), measured("now", 0.00001, 1, 1)
    assert vanished([was, now], "now", before="was") == "runtime init"


def test_without_one_of_the_two_there_is_nothing_to_say() -> None:
    assert vanished([SPAWN], "zygote", before="spawn") is None
    assert vanished([ZYGOTE], "zygote", before="spawn") is None
