"""The load generator against hey and wrk on one server: the rate held on one core, and what each says of a stall.

Rate: 3,000 requests a second asked of ours and of hey, each pinned to one core, the server to another. wrk has no rate.

Stall: the server stops for 1 s while it is asked 500 times a second (wrk: as often as it can) for 5 s. At whatever
moment it begins, a fifth of all requests is due in it, and 1% of all waits longer than (1 − 5 · 0.01) s: that is the
p99 by arithmetic. hey reports what its ten clients saw. wrk's clients wait as well, but in the end wrk adds what it
takes to be missing: to each latency above its mean interval, that latency less one interval, less two, and so on.

All in turn, A B C A B C; each round gives one ratio, and their median is told with its interval.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from tests.bench.clients import Request, closed_loop, paced_loop
from tests.bench.handlers import BODY
from tests.bench.peers import owned
from tests.bench.scoreboard import Line, Scoreboard, Target, at_least, at_most
from tests.needs import needs
from workbench import load
from workbench.invocation import Target as Where
from workbench.statistics import Estimate, interval, percentile

ROUNDS = 7
RATE, RATE_S = 3000, 4
LATE_MS = 2.0
STALL_RATE, STALL_S, DURATION_S, STALL_AT_S = 500, 1.0, 5, 2.0
P99_MS = (STALL_S - DURATION_S * 0.01) * 1e3
CONNECTIONS = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The plain server on the last of our cores, so that a client may have the first."""
    port, core = owned.free_port(), max(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "tests.bench.plain_server", str(port)]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    directory = tmp_path_factory.mktemp("plain-server")
    with contextlib.ExitStack() as stack:
        with _core(core):
            running = owned.running(command, port=port, environment=environment, directory=directory)
            stack.enter_context(running)
        yield f"http://127.0.0.1:{port}/"


@needs("hey")
@pytest.mark.timeout(900)
def test_rate_on_one_core(server: str, scoreboard: Scoreboard) -> None:
    request = Request(server)
    rates: dict[str, list[float]] = {"ours": [], "plan": [], "hey": []}
    lateness: list[float] = []
    with _core(min(os.sched_getaffinity(0))) as real_time:
        for _ in range(ROUNDS):
            result = load.run_load([_where(server)], load.poisson(RATE, RATE_S, seed=len(lateness)))
            assert result.counts == {"ok": len(result.status)}
            sent, due = len(result.ok_ms), result.planned_s[-1]
            rates["plan"].append(sent / due)
            rates["ours"].append(sent / (due + result.lateness_ms[-1] / 1e3))
            lateness.append(result.lateness_p99_ms)
            rates["hey"].append(paced_loop(request, CONNECTIONS, RATE, RATE_S).per_second)
    scoreboard.note(
        "load generators ran at real-time priority, so that what else this machine does counts for little"
        if real_time
        else "load generators ran at usual priority: what else this machine does is in their numbers"
    )
    lines = [
        _line(f"rate held on one core of {RATE:,}/s asked", rates["ours"], "hey", rates["hey"], "{:,.0f}/s", None),
        _line("the same against the plan", rates["ours"], "plan", rates["plan"], "{:,.0f}/s", at_least(0.99)),
        _line("its lateness, p99", lateness, "bound", [LATE_MS] * ROUNDS, "{:.2f} ms", at_most(1)),
    ]
    for line in lines:
        scoreboard.add(line)
    scoreboard.check(lines)


@needs("hey", "wrk")
@pytest.mark.timeout(900)
def test_what_each_says_of_a_stall(server: str, scoreboard: Scoreboard) -> None:
    request = Request(server)
    tools: dict[str, Callable[[], float]] = {
        "ours": lambda: percentile(load.run_load([_where(server)], load.constant(STALL_RATE, DURATION_S)).ok_ms, 99),
        "hey": lambda: paced_loop(request, CONNECTIONS, STALL_RATE, DURATION_S).p99_ms,
        "wrk": lambda: closed_loop(request, CONNECTIONS, DURATION_S).p99_ms,
        "our closed loop": lambda: percentile(
            load.run_closed([_where(server)], clients=CONNECTIONS, duration_s=DURATION_S).ok_ms, 99
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(ROUNDS):
        for name, tool in tools.items():
            with _stalling(server):
                found[name].append(tool())
    what = f"p99 with a stall of {STALL_S:g} s"
    lines = [_line(what, found["ours"], "arithmetic", [P99_MS] * ROUNDS, "{:,.1f} ms", at_least(0.95))]
    lines += [_line(what, found["ours"], name, found[name], "{:,.1f} ms", None) for name in tools if name != "ours"]
    for line in lines:
        scoreboard.add(line)
    scoreboard.check(lines)


def _where(url: str) -> Where:
    return Where(url, body=BODY)


@contextlib.contextmanager
def _stalling(url: str) -> Iterator[None]:
    """Have the server stall once, some time after a tool was started."""

    def stall() -> None:
        time.sleep(STALL_AT_S)
        with urllib.request.urlopen(f"{url}stall?{STALL_S}", timeout=60) as answer:
            answer.read()

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def _core(core: int) -> Iterator[bool]:
    """Pin what is started meanwhile to one core, at real-time priority where that is allowed; whether it was."""
    cores, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
    os.sched_setaffinity(0, {core})
    real_time = True
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        real_time = False
    try:
        yield real_time
    finally:
        if real_time:
            os.sched_setscheduler(0, policy, os.sched_param(0))
        os.sched_setaffinity(0, cores)


def _line(what: str, ours: list[float], peer: str, theirs: list[float], text: str, target: Target | None) -> Line:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    low, high = interval(ratios, 50)
    assert low is not None, "too few rounds for an interval"
    assert high is not None, "too few rounds for an interval"
    estimate = Estimate(percentile(ratios, 50), low, high)
    mine, other = (text.format(percentile(values, 50)) for values in (ours, theirs))
    return Line(what, mine, peer, other, estimate, target)
