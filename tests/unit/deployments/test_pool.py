"""Which instance the next request goes to, and that a place is filled once."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.deployments.pool import Pool
from workbench.errors import DeploymentError


def instance(name: str, *, ready: bool = True) -> Any:
    return SimpleNamespace(id=name, ready=ready, wanted=True, is_gone=False, outstanding=0, last_turn=0)


def pool_of(*instances: Any) -> Pool:
    pool = Pool()
    pool.claim(len(instances), beyond=True)
    for one in instances:
        pool.add(one)
    return pool


def test_idle_ones_take_turns() -> None:
    pool = pool_of(*(instance(name) for name in "abc"))
    used = []
    for _ in range(6):
        with pool.lease("s") as one:
            used.append(one.id)
    assert used == ["a", "b", "c", "a", "b", "c"]


def test_a_slow_one_gets_fewer() -> None:
    # Requests come one every tick; `slow` takes ten ticks for each, the others one.
    pool = pool_of(*(instance(name) for name in ("slow", "b", "c")))
    given = {"slow": 0, "b": 0, "c": 0}
    ends: list[tuple[int, Any]] = []
    for tick in range(120):
        for end in [e for e in ends if e[0] <= tick]:
            end[1].__exit__(None, None, None)
            ends.remove(end)
        lease = pool.lease("s")
        one = lease.__enter__()
        given[one.id] += 1
        ends.append((tick + (10 if one.id == "slow" else 1), lease))
    assert given["slow"] <= 12
    assert abs(given["b"] - given["c"]) <= 2
    for _, lease in ends:
        lease.__exit__(None, None, None)
    assert all(one.outstanding == 0 for one in pool.all())


def test_what_is_not_ready_or_told_to_end_gets_nothing() -> None:
    starting, ending, serving = instance("starting", ready=False), instance("ending"), instance("serving")
    pool = pool_of(starting, ending, serving)
    pool.retire(ending)
    for _ in range(3):
        with pool.lease("s") as one:
            assert one is serving
    pool.retire(serving)
    with pytest.raises(DeploymentError, match="scale"), pool.lease("s"):
        pass


def test_a_place_is_claimed_once() -> None:
    pool = pool_of(instance("a"))
    pool.wanted = 3
    assert pool.claim(5) == 2
    assert pool.claim() == 0
    pool.unclaim()
    assert pool.claim() == 1
    pool.add(instance("b"))
    assert (pool.launching, len(pool.living())) == (1, 2)


def test_a_failed_request_is_no_longer_in_flight() -> None:
    pool = pool_of(instance("a"))
    with pytest.raises(ZeroDivisionError), pool.lease("s"):
        raise ZeroDivisionError
    assert pool.all()[0].outstanding == 0


def test_requests_in_flight_are_summed_over_time() -> None:
    pool = pool_of(instance("a"), instance("b"))
    began = time.monotonic()
    with pool.lease("s"), pool.lease("s"):
        time.sleep(0.02)
        took = time.monotonic() - began
        assert 0.04 <= pool.in_flight_s() <= 2 * (time.monotonic() - began)
    after = pool.in_flight_s()
    assert after >= 2 * min(took, 0.02)
    assert pool.in_flight_s() == after  # nothing more is in flight
