"""Who follows reads every line in its order, or how many it has missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from workbench.faas.front import follower
from workbench.faas.front.follower import Follower


async def taken(lines: AsyncIterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    return [await anext(lines) for _ in range(count)]


def test_lines_come_in_their_order_also_those_told_meanwhile() -> None:
    async def run() -> list[dict[str, Any]]:
        follows = Follower()
        lines = aiter(follows)
        follows.tell({"n": 1})
        first = await taken(lines, 1)
        reading = asyncio.ensure_future(taken(lines, 2))
        await asyncio.sleep(0)
        follows.tell({"n": 2})
        follows.tell({"n": 3})
        return first + await reading

    assert asyncio.run(run()) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_one_who_is_too_slow_is_told_how_many_it_missed_and_gets_the_latest() -> None:
    async def run() -> list[dict[str, Any]]:
        follows = Follower(most=3)
        for n in range(8):
            follows.tell({"n": n})
        return await taken(aiter(follows), 4)

    assert asyncio.run(run()) == [{"missed": 5}, {"n": 5}, {"n": 6}, {"n": 7}]


def test_when_nothing_happens_it_says_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_BEAT_S", 0.01)
    assert asyncio.run(taken(aiter(Follower()), 2)) == [{}, {}]
