"""The driver when its surroundings fail: the disk refuses, the endpoint is away, the process is another one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workbench.errors import DeploymentError
from workbench.events.flow import Flow
from workbench.events.schedule.driver import Schedules
from workbench.faas.functions.storage import Statement, Storage

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
RULE = {"Name": "r", "Arn": "arn:aws:events:us-east-1:123456789012:rule/r", "ScheduleExpression": "rate(1 hour)"}


class Endpoint:
    """EventBridge with one rule; Scheduler is not there. `away` says whether it answers."""

    endpoint = "http://127.0.0.1:1"

    def __init__(self) -> None:
        self.away = False

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        if self.away or service == "scheduler":
            raise DeploymentError("nobody answers")
        return {"Rules": [RULE]} if operation == "list_rules" else {"Targets": [{"Id": "1", "Arn": FUNCTION}]}


class Host:
    """A fake platform that accepts onto a real disk, but for those whose turn it is to be refused."""

    def __init__(self, directory: Path, refuse: Sequence[int] = ()) -> None:
        self.storage, self.aws = Storage(directory), Endpoint()
        self.context = SimpleNamespace(
            storage=self.storage, aws=self.aws, events=SimpleNamespace(retry_scale=0.0), endpoint=""
        )
        self.accepted: list[str] = []
        self.now_s: Callable[[], float] = time.time
        self.dies_after = 0
        self._refuse, self._turn = refuse, 0

    async def accept(self, function: str, payload: bytes, along: Sequence[Statement] = ()) -> str:
        assert function == FUNCTION
        self._turn += 1
        if self._turn in self._refuse:
            raise sqlite3.OperationalError("database or disk is full")
        event = json.loads(payload)
        row = (f"{event['time']}#{event['id']}",)
        await self.storage.write([("INSERT INTO numbers VALUES (?, 1)", row), *along])
        self.accepted.append(event["time"])
        if self._turn == self.dies_after:
            raise asyncio.CancelledError  # as if the process had been killed: nothing more is noted
        return "request"


def driven(host: Host, work: Callable[[Schedules], Awaitable[None]]) -> None:
    async def run() -> None:
        schedules = Schedules(host, Flow())  # type: ignore[arg-type]  # as much of a host as it uses
        await schedules.resume()
        await work(schedules)
        if not host.dies_after:
            await schedules.stop()
        await schedules.close()
        host.storage.close()

    asyncio.run(run())


async def put(schedules: Schedules, **body: Any) -> dict[str, Any]:
    answer: Any = await schedules.answer("PUT", ["clock"], "", json.dumps(body).encode())
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def fired(schedules: Schedules, *, standing: bool = True) -> None:
    """All until now, where the clock stands, or wall time does."""
    deadline = time.monotonic() + 20
    while True:
        answer: Any = await schedules.answer("GET", ["clock"], "", b"")
        seen = json.loads(answer.body)
        if seen["paused"] is standing and seen["fired_until"] == seen["at"]:
            return
        assert time.monotonic() < deadline, seen
        await asyncio.sleep(0.01)


def hours(*numbers: int) -> Counter[str]:
    return Counter(f"2026-03-27T{number:02}:00:00Z" for number in numbers)


@pytest.mark.parametrize("refuse", [(1,), (3, 4), (2, 9)])
def test_when_the_disk_refuses_some_of_a_step_those_fire_later_and_no_other_twice(
    tmp_path: Path, refuse: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(schedules: Schedules) -> None:
        await put(schedules, at="2026-03-27T00:00:00Z", until="2026-03-27T12:30:00Z", speed=86400 * 30)
        await fired(schedules)

    host = Host(tmp_path, refuse)
    driven(host, work)
    assert Counter(host.accepted) == hours(*range(1, 13))
    assert "disk is full" in capsys.readouterr().err


def test_while_the_endpoint_is_away_what_is_known_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work(schedules: Schedules) -> None:
        await put(schedules, at="2026-03-27T00:00:00Z", until="2026-03-27T03:30:00Z", speed=86400 * 30)
        await fired(schedules)
        host.aws.away = True
        for until in ("2026-03-27T05:30:00Z", "2026-03-27T06:30:00Z"):
            await put(schedules, until=until)
            await fired(schedules)

    host = Host(tmp_path)
    driven(host, work)
    assert Counter(host.accepted) == hours(*range(1, 7))
    said = capsys.readouterr().err
    assert said.count("the schedules of events cannot be read") == 1  # not every second
    assert said.count("the schedules of scheduler cannot be read") == 1


def test_another_process_goes_on_where_a_simulated_clock_was_stopped(tmp_path: Path) -> None:
    async def first(schedules: Schedules) -> None:
        await put(schedules, at="2026-03-27T00:00:00Z", until="2026-03-27T02:00:00Z", speed=86400 * 30)
        await fired(schedules)

    async def second(schedules: Schedules) -> None:
        await fired(schedules)  # it stands where it stood
        await put(schedules, until="2026-03-27T04:30:00Z")
        await fired(schedules)

    before = Host(tmp_path)
    driven(before, first)
    after = Host(tmp_path)
    driven(after, second)
    assert (Counter(before.accepted), Counter(after.accepted)) == (hours(1), hours(2, 3, 4))


@pytest.mark.parametrize("dies_after", [1, 5, 12])
def test_a_process_that_ends_between_two_ticks_leaves_each_on_disk_or_undone(tmp_path: Path, dies_after: int) -> None:
    async def first(schedules: Schedules) -> None:
        await put(schedules, at="2026-03-27T00:00:00Z", until="2026-03-27T12:30:00Z", speed=86400 * 30)
        while len(before.accepted) < dies_after:
            await asyncio.sleep(0)

    async def second(schedules: Schedules) -> None:
        await fired(schedules)

    before = Host(tmp_path)
    before.dies_after = dies_after
    driven(before, first)
    driven(Host(tmp_path), second)
    on_disk = Storage(tmp_path)
    assert Counter(row.partition("#")[0] for row in on_disk.numbers()) == hours(*range(1, 13))
    on_disk.close()


def test_by_wall_time_another_process_makes_up_for_nothing_but_the_running_minute(tmp_path: Path) -> None:
    noon = datetime(2026, 3, 27, 12, 0, 20, tzinfo=UTC).timestamp()

    def process(starts_s: float, passes_s: float) -> list[str]:
        host, wall = Host(tmp_path), [starts_s]
        host.now_s = lambda: wall[0]

        async def work(schedules: Schedules) -> None:
            await schedules.answer("POST", ["clock", "resume"], "", b"")  # reads at once
            wall[0] += passes_s
            await fired(schedules, standing=False)

        driven(host, work)
        return host.accepted

    assert process(noon, 3605) == ["2026-03-27T13:00:20Z"]
    assert process(noon + 2 * 3600 - 15, 40) == ["2026-03-27T14:00:20Z"]  # 14:00:05, and 20 s later
    assert process(noon + 2 * 3600 + 30, 5) == []  # the same minute: it has fired
    assert process(noon + 5 * 3600 + 10, 5) == ["2026-03-27T17:00:20Z"]  # 15:00 and 16:00 are over
