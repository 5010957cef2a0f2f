"""What the generator keeps: in order whatever the order of the ends, warm-up apart, live percentiles near the exact."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.exchange import Answer
from workbench.load.handle import Progress
from workbench.load.live import LiveLatencies
from workbench.load.result import STATUSES, LoadResult
from workbench.load.samples import Samples
from workbench.load.spec import ClosedSpec, LoadSpec, read_spec
from workbench.statistics import percentile

ENDS = st.lists(st.tuples(st.sampled_from(STATUSES), st.floats(1e-6, 30), st.booleans()), max_size=40)
HERE = (Target("http://127.0.0.1:8000/f"),)


def filled(ends: list[tuple[str, float, bool]], seed: int, warmup: int = 0) -> Samples:
    """Requests due ten a second from 100 s on, ended in some order."""
    samples = Samples(warmup)
    order = list(range(len(ends)))
    random.Random(seed).shuffle(order)
    for number in order:
        status, latency_s, cold = ends[number]
        due = 100 + number / 10
        answered = status not in ("timeout", "dropped")
        answer = Answer(status, due + latency_s if answered else None, f"i-{number % 3}", cold)  # type: ignore[arg-type]
        samples.add(number, due, 0.001 * number, answer, f"g-{number % 2}")
    return samples


@given(ENDS, st.integers(), st.data())
def test_requests_come_back_in_order_with_the_warm_up_apart(
    ends: list[tuple[str, float, bool]], seed: int, data: st.DataObject
) -> None:
    warmup = data.draw(st.integers(0, max(0, len(ends) - 1)))
    result = LoadResult.from_json({**filled(ends, seed, warmup).to_json(100.0), "complete": True, "loop": "open"})
    assert (result.warmup is None) == (warmup == 0)
    parts = [(result.warmup, 0), (result, warmup)] if result.warmup else [(result, 0)]
    for part, begin in parts:
        assert part is not None
        for place, number in enumerate(range(begin, begin + len(part.status))):
            status, latency_s, cold = ends[number]
            assert (part.status[place], part.cold[place]) == (status, cold)
            assert (part.instances[place], part.groups[place]) == (f"i-{number % 3}", f"g-{number % 2}")
            assert part.planned_s[place] == pytest.approx(number / 10, abs=1e-6)
            assert part.lateness_ms[place] == pytest.approx(number, abs=1e-3)
            expected = None if status in ("timeout", "dropped") else pytest.approx(latency_s * 1e3, abs=1e-3)
            assert part.latency_ms[place] == expected
    assert sum(len(part.status) for part, _ in parts if part is not None) == len(ends)


def test_percentiles_leave_the_warm_up_out_and_the_summary_tells_it_beside() -> None:
    ends = [("ok", 9.0, True)] * 3 + [("ok", 0.001 * k, False) for k in range(1, 12)]
    samples = filled(ends, seed=1, warmup=3)
    found = LoadResult.from_json({**samples.to_json(100.0), "complete": True, "loop": "open"}).summary()
    assert (found["sent"], found["p50_ms"], found["p99_ms"]) == (11, 6, pytest.approx(10.9))
    assert (found["warmup"]["sent"], found["warmup"]["p50_ms"]) == (3, 9000)
    assert samples.so_far()["ok"] == 11
    assert samples.so_far()["p99_ms"] < 20


def test_errors_so_far_are_counted_and_have_no_part_in_the_percentiles() -> None:
    so_far = filled([("error", 20.0, False), ("dropped", 1.0, False), ("ok", 0.004, False)], 0).so_far()
    assert (so_far["ended"], so_far["ok"], so_far["errors"]) == (3, 1, 2)
    assert so_far["p50_ms"] == pytest.approx(4, rel=0.01)
    assert Samples().so_far()["p50_ms"] is None


@given(st.lists(st.floats(1e-6, 600), min_size=1, max_size=300), st.sampled_from([50, 90, 99]))
def test_live_percentiles_are_right_to_two_digits(latencies: list[float], q: int) -> None:
    live = LiveLatencies()
    for latency in latencies:
        live.add(latency)
    found = live.percentile_ms(q)
    # Between two samples the library takes one of them, our own percentile a point between.
    ordered = sorted(latency * 1e3 for latency in latencies)
    exact = percentile(ordered, q)
    below = max((x for x in ordered if x <= exact + 1e-9), default=ordered[0])
    above = min((x for x in ordered if x >= exact - 1e-9), default=ordered[-1])
    assert found is not None
    assert below * 0.99 - 0.001 <= found <= above * 1.01 + 0.001


def test_out_of_range_counts_as_the_end_of_the_range() -> None:
    live = LiveLatencies()
    live.add(0.0)
    assert live.percentile_ms(50) == pytest.approx(0.001)
    live.add(1e4)
    assert live.percentile_ms(100) == pytest.approx(600_000, rel=0.01)


def test_a_closed_spec_survives_its_json_and_is_bounded() -> None:
    spec = ClosedSpec(HERE, 5, 2.5, timeout_s=3)
    assert read_spec(spec.to_json()) == spec
    assert spec.bound_s > spec.duration_s + spec.timeout_s
    for wrong in (
        ClosedSpec(HERE, 0, 1),
        ClosedSpec(HERE, 10**6, 1),
        ClosedSpec(HERE, 1, 0),
        ClosedSpec(HERE, 1, float("nan")),
        ClosedSpec(HERE, 1, 1e6),
        ClosedSpec(HERE, 1, 1, timeout_s=0),
        ClosedSpec((Target("http://example.com/"),), 1, 1),
        ClosedSpec((), 1, 1),
    ):
        with pytest.raises(WorkbenchError):
            wrong.check()
    with pytest.raises(WorkbenchError, match="lacks or garbles"):
        read_spec({"clients": 3})


@pytest.mark.parametrize("warmup", [-1, 2, 3])
def test_a_warm_up_leaves_something_to_measure(warmup: int) -> None:
    assert LoadSpec(HERE, (0.0, 1.0), warmup=1).check().warmup == 1
    with pytest.raises(WorkbenchError, match="warm-up"):
        LoadSpec(HERE, (0.0, 1.0), warmup=warmup).check()


def test_progress_tells_what_remains() -> None:
    begun = Progress(0.0, 0, 0, 100, 10.0, 0, 0, None, None)
    assert (begun.per_s, begun.remaining_s) == (0, 10)
    late = Progress(12.5, 100, 50, 100, 10.0, 50, 0, 1.0, 2.0)
    assert (late.per_s, late.remaining_s) == (4, 0)
