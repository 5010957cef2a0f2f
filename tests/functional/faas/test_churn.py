"""Thousands of invocations, instances killed at random: each is answered once, or fails and says if it may have run.

10,000 invocations by default, in two sandboxes; WORKBENCH_CHURN=100000 for the full count. One instance in a hundred
invocations is killed, through the API or by SIGKILL from outside, whatever it is doing just then.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.functional.faas.churn import HANDLER, Load, Tally
from tests.functional.faas.platform import Platform, eventually, zipped
from tests.needs import needs

COUNT = int(os.environ.get("WORKBENCH_CHURN", "10000"))
CONNECTIONS = 12
EVERY = 100
"""Invocations from one kill to the next."""

pytestmark = pytest.mark.timeout(max(300, COUNT // 50))


@pytest.fixture(params=["process", pytest.param("namespaces", marks=needs("namespaces"))])
def platform(request: pytest.FixtureRequest) -> Iterator[Platform]:
    with Platform(isolation=request.param) as running:
        yield running


class Killer:
    """Kills an instance each time that `EVERY` more invocations have ended; from a thread, so that the load goes on."""

    def __init__(self, platform: Platform, function: str) -> None:
        self.by_api = self.by_signal = 0
        self.load: Load | None = None
        self._platform, self._function = platform, function
        self._random = random.Random(11)
        self._thread = ThreadPoolExecutor(1)
        self._kills: list[Future[None]] = []
        self._next = EVERY

    def progress(self, done: int) -> None:
        if done >= self._next:
            self._next += EVERY
            self._kills.append(self._thread.submit(self._kill))

    def close(self) -> None:
        """Wait for the kills under way; raises what any of them raised."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for kill in self._kills:
            if not kill.cancelled():
                kill.result()

    def _kill(self) -> None:
        if self._random.random() < 0.5:
            victims = [view["instance_id"] for view in self._platform.instances(self._function)]
            if victims:
                path = f"/_workbench/functions/{self._function}/instances/{self._random.choice(victims)}"
                answer = self._platform.raw("DELETE", path)
                assert answer.status_code in (200, 404), answer.text  # it may just have ended
                self.by_api += answer.status_code == 200
        elif pids := self._inside():
            try:
                os.kill(self._random.choice(pids), 9)
            except ProcessLookupError:
                return
            self.by_signal += 1

    def _inside(self) -> list[int]:
        """The processes that are instances: in another PID namespace than ours, or that said so in an answer."""
        assert self.load is not None
        here = os.readlink("/proc/self/ns/pid")
        said = set(self.load.tally.pids)
        found = []
        for pid in _descendants(self._platform):
            try:
                if os.readlink(f"/proc/{pid}/ns/pid") != here or pid in said:
                    found.append(pid)
            except OSError:
                continue  # it has ended
        return found


def _descendants(platform: Platform) -> list[int]:
    return [child.pid for child in psutil.Process(platform.process.pid).children(recursive=True)]


def _held(platform: Platform) -> Counter[str]:
    """What the platform holds now, by kind: processes, descriptors, control groups."""
    pid = platform.process.pid
    groups = [group for group in Path("/sys/fs/cgroup").rglob(f"workbench-{pid}-*/*") if group.is_dir()]
    return Counter(
        processes=len(_descendants(platform)), descriptors=psutil.Process(pid).num_fds(), cgroups=len(groups)
    )


def _churn(platform: Platform, count: int, file: str) -> tuple[Tally, Killer]:
    """A function of its own under load and kills; checked to be whole afterwards, then deleted."""
    function = platform.create(zipped(app=HANDLER))
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=CONNECTIONS)
    killer = Killer(platform, function)
    killer.load = load = Load(platform, function, count, CONNECTIONS, killer.progress)
    load.file = file
    try:
        tally = asyncio.run(load.run())
    finally:
        killer.close()
    _check_that_no_lease_is_lost(platform, function)
    platform.delete(function)
    eventually(lambda: platform.ask("GET", "health")["instances"] == 0)
    return tally, killer


def _check_that_no_lease_is_lost(platform: Platform, function: str) -> None:
    """All of the function's reserved concurrency can be used at once, each part by an instance of its own."""

    def hold(number: int) -> Any:
        return platform.invoke(function, {"id": f"last-{number}", "sleep": 1})

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        answers = list(threads.map(hold, range(CONNECTIONS)))
    assert [answer.get("FunctionError") for answer in answers] == [None] * CONNECTIONS
    assert len({answer["Headers"]["x-workbench-instance"] for answer in answers}) == CONNECTIONS


def test_every_invocation_is_answered_once_or_says_whether_it_may_have_run(platform: Platform, tmp_path: Path) -> None:
    reachable = platform.ask("GET", "health")["isolation"] == "process"  # the others have a file system of their own
    ran = tmp_path / "ran"
    _churn(platform, 5 * EVERY, "")
    before = _held(platform)

    tally, killer = _churn(platform, COUNT, str(ran) if reachable else "")

    assert tally.total == COUNT
    assert len(tally.answered | tally.may_have_run | tally.did_not_run) == COUNT
    assert killer.by_api > 0
    assert killer.by_signal > 0
    assert tally.may_have_run, "no kill met an invocation, so nothing was tried"
    if reachable:
        runs = Counter(line for line in ran.read_text().splitlines() if not line.startswith("last-"))
        assert max(runs.values()) == 1, "an invocation ran twice"
        assert runs.keys() >= tally.answered
        assert not runs.keys() & tally.did_not_run, "an error said that the handler did not run, but it did"

    # Descriptors may differ by what the platform keeps for later (threads' own, pipes), not by the instances that died.
    slack = Counter(descriptors=20)
    eventually(lambda: not _held(platform) - before - slack)
    print(
        f"{len(tally.answered)} answered, {len(tally.may_have_run)} may have run, {len(tally.did_not_run)} did not; "
        f"killed {killer.by_api} through the API, {killer.by_signal} by signal"
    )
