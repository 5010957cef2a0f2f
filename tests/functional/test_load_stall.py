"""A server with a known stall: the open loop reports what arithmetic says, the closed loop does not.

The plan is 100 requests a second for 3.5 s, and the server stalls for 1.5 s from 1 s on. A request due t into the stall
waits 1.5 s − t; all others are answered at once. Nothing that is due in the stall can be answered before it ends: that
holds in every run. Upwards the machine adds milliseconds as a rule, and a stall of its own on a bad day: one run of
three has to stay within a tenth of the stall.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.functional.stalling_server import stalling_server
from workbench.invocation import Target
from workbench.load import LoadResult, constant, run_closed, run_load
from workbench.load.open_loop import OpenLoop
from workbench.load.spec import LoadSpec
from workbench.statistics import percentile

RATE, DURATION_S, BEGINS_S, STALL_S = 100, 3.5, 1.0, 1.5
TOLERANCE_MS = STALL_S * 1e3 / 10
RUNS = 3


@contextmanager
def silent_server() -> Iterator[str]:
    """Somebody listens, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_the_open_loops_percentiles_are_the_arithmetic_ones() -> None:
    apart = [_apart_from_arithmetic()]
    while apart[-1] > TOLERANCE_MS and len(apart) < RUNS:
        apart.append(_apart_from_arithmetic())
    assert min(apart) <= TOLERANCE_MS, f"ms apart in {RUNS} runs: {apart}"


def _apart_from_arithmetic() -> float:
    """How far the reported percentiles are from the arithmetic ones at most, in ms, in one run."""
    with stalling_server(BEGINS_S, STALL_S) as stall:
        result = run_load([Target(stall.url, method="GET")], constant(RATE, DURATION_S))
    assert result.counts == {"ok": RATE * DURATION_S}
    begun, ended = (moment - result.started_s for moment in stall.seen_s[0])
    due_in_it = [(due, ms) for due, ms in zip(result.planned_s, result.ok_ms, strict=True) if begun < due < ended]
    assert len(due_in_it) == pytest.approx(RATE * (ended - begun), abs=1)
    assert all(ms >= (ended - due) * 1e3 - 0.01 for due, ms in due_in_it)
    waits = [(BEGINS_S + STALL_S - due) * 1e3 if due >= BEGINS_S else 0.0 for due in result.planned_s]
    expected = [max(0.0, wait) for wait in waits]
    return max(abs(percentile(result.ok_ms, q) - percentile(expected, q)) for q in (99, 95, 90, 80))


def test_the_closed_loop_misses_the_stall_and_says_what_it_is() -> None:
    with stalling_server(BEGINS_S, STALL_S) as stall:
        result = run_closed([Target(stall.url, method="GET")], clients=2, duration_s=DURATION_S)
    assert result.complete
    assert set(result.counts) == {"ok"}
    assert len(stall.seen_s) == 1
    # Each client met it, once. Of the requests that it kept from being sent, and of their waits, there is no trace.
    assert sum(latency > STALL_S * 1e3 / 2 for latency in result.ok_ms) == 2
    assert percentile(result.ok_ms, 99) < STALL_S * 1e3 / 4
    assert result.summary()["loop"] == result.loop == "closed"
    assert result.summary()["lateness_p99_ms"] is None


def test_a_load_ends_itself_at_its_bound_though_the_server_hangs() -> None:
    class Hasty(LoadSpec):
        bound_s = 0.5

    async def run(url: str) -> LoadResult:
        told: list[dict[str, Any]] = []
        spec = Hasty((Target(url, method="GET"),), (0.0, 0.1, 400.0), timeout_s=300)
        return LoadResult.from_json(await OpenLoop(spec, told.append).run())

    with silent_server() as url:
        result = asyncio.run(run(url))
    assert not result.complete
    assert result.status == ()


def test_warm_up_is_sent_and_has_no_part_in_the_percentiles() -> None:
    """The stall is from 0.2 s on, so it is over with the warm-up: what is measured knows nothing of it."""
    with stalling_server(0.2, 0.6) as stall:
        target = Target(stall.url, method="GET")
        result = run_load([target], constant(100, 2), warmup_s=1)
    assert result.warmup is not None
    assert result.warmup.counts == result.counts == {"ok": 100}
    assert max(result.warmup.ok_ms) >= 590
    assert percentile(result.ok_ms, 50) < 300
    assert result.summary()["warmup"]["p99_ms"] > result.summary()["p99_ms"]
