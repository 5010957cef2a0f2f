"""The load generator, as its own process, against real HTTP servers on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
from aiohttp import web

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load import Load, burst, constant, load_url, poisson, run_load, start_load
from workbench.load.handle import Progress
from workbench.statistics import percentile

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextmanager
def server(handler: Handler) -> Iterator[str]:
    """A real HTTP server on its own thread; its address."""
    ready = threading.Event()
    port: list[int] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        # A backlog for all of a stall: what finds no place in it tries again a second later.
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
        await site.start()
        port.append(runner.addresses[0][1])
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"http://127.0.0.1:{port[0]}/"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def quick(_: web.Request) -> web.Response:
    return web.Response(text="{}", headers={"X-Workbench-Instance": "i-1"})


def test_every_planned_request_is_sent_and_accounted_for() -> None:
    seen: list[tuple[str, str, bytes, str | None]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.method, request.raw_path, await request.read(), request.headers.get("X-Signed")))
        return web.Response(
            text="{}",
            headers={"X-Workbench-Instance": f"i-{len(seen) % 2}", "X-Workbench-Cold": str(int(len(seen) == 1))},
        )

    with server(note) as url:
        target = Target(url + "a%2Fb?x=%7E", headers=(("X-Signed", "yes"),), body=b'{"n": 1}', group="vm")
        schedule = poisson(100, 1, seed=3)
        result = run_load([target], schedule)
    assert len(seen) == len(schedule) == len(result.status)
    assert set(seen) == {("POST", "/a%2Fb?x=%7E", b'{"n": 1}', "yes")}
    assert result.planned_s == pytest.approx(schedule.planned_s, abs=1e-6)
    assert result.counts == {"ok": len(schedule)}
    assert set(result.instances) == {"i-0", "i-1"}
    assert set(result.groups) == {"vm"}
    assert sum(result.cold) == 1
    assert result.complete
    assert all(latency is not None and latency > 0 for latency in result.latency_ms)


def test_at_500_a_second_requests_leave_within_a_few_spacings_of_their_plan() -> None:
    with server(quick) as url:
        result = run_load([Target(url)], constant(500, 2))
    assert result.counts == {"ok": 1000}
    spacing_ms = 1000 / 500
    # The better half: what a busy machine does to the rest is the machine's, and told by `kept_up`.
    assert percentile(result.lateness_ms, 25) / spacing_ms < 1
    assert percentile(result.lateness_ms, 50) / spacing_ms < 5


def test_a_generator_that_was_held_up_says_so() -> None:
    with server(quick) as url, start_load([Target(url)], constant(200, 1)) as load:
        load.started_s()
        time.sleep(0.3)
        load._process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        load._process.send_signal(signal.SIGCONT)
        result = load.result()
    assert result.counts == {"ok": 200}
    assert not result.kept_up
    assert not result.summary()["kept_up"]


def test_answers_are_told_apart() -> None:
    async def by_path(request: web.Request) -> web.StreamResponse:
        kind = request.path.strip("/")
        if kind == "slow":
            await asyncio.sleep(30)
        if kind == "broken":
            assert request.transport is not None
            request.transport.close()
        if kind == "raised":
            return web.Response(headers={"X-Amz-Function-Error": "Unhandled"})
        return web.Response(status={"throttled": 429, "error": 500}.get(kind, 200))

    with server(by_path) as url:
        kinds = ["ok", "throttled", "error", "raised", "broken", "slow"]
        targets = [Target(url + kind, group=kind) for kind in kinds]
        result = run_load(targets, constant(60, 1), timeout_s=2)
    by_kind: dict[str, set[tuple[str, bool]]] = {kind: set() for kind in kinds}
    for group, status, latency in zip(result.groups, result.status, result.latency_ms, strict=True):
        by_kind[group].add((status, latency is None))
    assert by_kind == {
        "ok": {("ok", False)},
        "throttled": {("throttled", False)},
        "error": {("error", False)},
        "raised": {("error", False)},
        "broken": {("error", True)},
        "slow": {("timeout", True)},
    }


def test_a_server_that_is_not_there_is_an_error_not_a_crash() -> None:
    with server(quick) as url:
        pass
    result = run_load([Target(url)], constant(50, 0.2))
    assert result.counts == {"error": 10}


def test_more_outstanding_than_allowed_are_dropped_and_counted() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(1.5)
        return web.Response()

    with server(slow) as url:
        result = run_load([Target(url)], constant(100, 0.5), max_connections=8)
    assert result.counts == {"ok": 8, "dropped": 42}
    assert result.status[:8] == ("ok",) * 8
    assert result.summary()["sent"] == 8


def test_the_busy_target_gets_less() -> None:
    seen: Counter[str] = Counter()

    async def uneven(request: web.Request) -> web.Response:
        seen[request.path] += 1
        if request.path == "/slow":
            await asyncio.sleep(0.5)
        return web.Response()

    with server(uneven) as url:
        run_load([Target(url + "slow"), Target(url + "fast")], constant(100, 1))
    assert seen["/slow"] + seen["/fast"] == 100
    assert seen["/fast"] > seen["/slow"]
    with server(uneven) as url:
        seen.clear()
        run_load([Target(url + "x"), Target(url + "y"), Target(url + "z")], constant(60, 1))
    assert all(15 <= count <= 25 for count in seen.values())


def test_retargeting_moves_what_is_still_to_come() -> None:
    async def named(request: web.Request) -> web.Response:
        return web.Response(headers={"X-Workbench-Instance": request.path.strip("/")})

    with server(named) as url, start_load([Target(url + "old")], constant(100, 1.5)) as load:
        load.started_s()
        time.sleep(0.5)
        load.retarget([Target(url + "new")])
        result = load.result()
    assert result.counts == {"ok": 150}
    moved = result.instances.index("new")
    assert set(result.instances[:moved]) == {"old"}
    assert set(result.instances[moved:]) == {"new"}


def test_cancel_keeps_what_was_measured() -> None:
    with server(quick) as url, start_load([Target(url)], constant(50, 60)) as load:
        load.started_s()
        time.sleep(0.5)
        result = load.cancel()
        assert not result.complete
        assert 0 < len(result.status) < 3000
        assert load.cancel() is result
        assert load.result() is result


def test_progress_is_told_and_what_it_raises_comes_back() -> None:
    told: list[Progress] = []
    with server(quick) as url:
        run_load([Target(url)], constant(50, 1), progress=told.append)
    assert told
    assert all(0 <= p.ended <= p.due <= p.planned == 50 for p in told)

    def fails(_: Progress) -> None:
        raise KeyError("mine")

    with server(quick) as url, pytest.raises(KeyError, match="mine"):
        run_load([Target(url)], constant(50, 1), progress=fails)


def generator(spec: dict[str, object]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(spec).encode() + b"\n")
    process.stdin.flush()
    return process


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "end of file"])
def test_a_generator_told_to_stop_gives_what_it_has(how: str) -> None:
    with server(quick) as url:
        process = generator({"targets": [{"url": url}], "planned_s": [k / 50 for k in range(3000)]})
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert b"started_s" in process.stdout.readline()
            assert b"progress" in process.stdout.readline()
            if how == "end of file":
                process.stdin.close()
            else:
                process.send_signal(getattr(signal, how))
            last = process.stdout.read().splitlines()[-1]
            assert process.wait(20) == 0
        finally:
            process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                assert stream is not None
                stream.close()
            process.wait()
    result = json.loads(last)["result"]
    assert result["complete"] is False
    assert 0 < len(result["status"]) < 3000


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("alone")
def test_a_generator_whose_owner_is_killed_ends() -> None:
    owner = """
import sys, time
from workbench.invocation import Target
from workbench.load import constant, start_load
load = start_load([Target(sys.argv[1])], constant(20, 500))
load.started_s()
print(load._process.pid, flush=True)
time.sleep(600)
"""
    with server(quick) as url:
        process = subprocess.Popen([sys.executable, "-c", owner, url], stdout=subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            child = psutil.Process(int(process.stdout.readline()))
            assert child.is_running()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        gone, _ = psutil.wait_procs([child], timeout=30)
    assert gone


def test_a_spec_that_is_refused_is_told_in_json() -> None:
    process = generator({"targets": [{"url": "http://example.com/"}], "planned_s": [0]})
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "is not this machine" in json.loads(out)["error"]


def test_a_generator_that_dies_says_how() -> None:
    with server(quick) as url, start_load([Target(url)], constant(10, 60)) as load:
        load.started_s()
        load._process.kill()
        with pytest.raises(WorkbenchError, match=r"SIGKILL.*without a result"):
            load.result()


def test_a_closed_load_leaves_no_process() -> None:
    with server(quick) as url:
        load = start_load([Target(url)], constant(10, 60))
        load.started_s()
        pid = load._process.pid
        load.close()
        load.close()
        assert not psutil.pid_exists(pid)
        with pytest.raises(WorkbenchError, match="closed before"):
            load.result()


def test_a_remote_address_is_refused_before_a_process_is_started() -> None:
    with pytest.raises(WorkbenchError, match="not this machine"):
        start_load([Target("http://example.com/")], constant(1, 1))
    with server(quick) as url, start_load([Target(url)], constant(10, 5)) as load:
        with pytest.raises(WorkbenchError, match="not this machine"):
            load.retarget([Target("http://example.com/")])
        assert isinstance(load, Load)
        load.cancel()


@pytest.mark.parametrize("arrivals", ["constant", "poisson", "ramp", "step", "burst"])
def test_load_url_tells_what_the_command_promises(arrivals: str) -> None:
    with server(quick) as url:
        found = load_url(url, 60, 0.6, arrivals, seed=5)
    assert {"sent", "ok", "errors", "p50_ms", "p95_ms", "p99_ms", "lateness_p99_ms"} <= set(found)
    assert found["sent"] == found["ok"] > 0
    assert found["errors"] == 0
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]
    json.dumps(found, allow_nan=False)


def test_a_burst_meets_new_connections_without_losing_any() -> None:
    async def holds(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    with server(holds) as url:
        result = run_load([Target(url)], burst(10, 600, before_s=0.5, burst_s=0.5, seed=None))
    assert result.counts == {"ok": 305}
