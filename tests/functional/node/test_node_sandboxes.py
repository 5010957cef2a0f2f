"""A Node.js service in every sandbox: isolated, limited, frozen and ended as a Python one is."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.functional.node.runtime import Instance
from tests.functional.sandboxes.boxes import Marks, call, eventually, output, traces
from tests.needs import needs
from workbench import isolation
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Resources

pytestmark = needs("node")

SERVICE = """
const { spawn } = require("node:child_process");
const fs = require("node:fs");
let ticks = 0;
setInterval(() => { ticks += 1 }, 5);
let waiting;
console.log("module loaded");
const actions = {
  ticks: () => ticks,
  meet: () => new Promise((done) => {
    if (waiting) { waiting("met"); done("met") } else waiting = done;
  }),
  fill: ({ mb }) => Buffer.alloc(mb * 2 ** 20, 1).length,
  garbage: ({ mb }) => { let made = 0; while (made < mb) { Array(2 ** 17).fill(made); made += 1 } return made },
  spin: ({ cpu_s }) => { while (process.cpuUsage().user < cpu_s * 1e6); return process.cpuUsage().user },
  exit: ({ code }) => process.exit(code),
  child: () => spawn(process.execPath, ["-e", "setTimeout(() => {}, 600000)"], { detached: true, stdio: "ignore" }).pid,
  print: ({ text }) => { console.log(text); process.stderr.write(text + "\\n") },
  environment: () => process.env,
  processes: () => fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)),
  write: ({ place }) => {
    try { fs.writeFileSync(place + "/written", "x"); return true } catch { return false }
  },
};
exports.handler = async (event) => (actions[event.do] ?? (() => ({ echo: event })))(event);
"""

_numbers = itertools.count(1)
Launch = Callable[..., Sandbox]


@pytest.fixture(params=["process", *(pytest.param(name, marks=needs(name)) for name in ("namespaces", "docker"))])
def backend(request: pytest.FixtureRequest) -> str:
    """gVisor runs no Node.js here; that a virtual machine does is seen in `tests/functional/test_qemu.py`."""
    name: str = request.param
    return name


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "index.js").write_text(SERVICE)
    return directory


@pytest.fixture
def launch(backend: str, code: Path) -> Iterator[Launch]:
    with contextlib.ExitStack() as stack:

        def start(**more: Any) -> Sandbox:
            name = f"nodebox-{os.getpid()}-{next(_numbers)}"
            resources = Resources(**more.pop("resources", {}))
            spec = SandboxSpec(name, "http_host.py", "index.handler", code, resources, language="nodejs", **more)
            box = isolation.launcher(backend)(spec)
            stack.callback(box.close)
            return box

        yield start


@pytest.fixture
def box(launch: Launch) -> Sandbox:
    started = launch()
    Marks(started.control).until("function_ready")
    return started


def test_marks_come_in_order_on_one_clock(launch: Launch, backend: str) -> None:
    before = time.monotonic_ns()
    started = launch()
    marks = Marks(started.control)
    seen = [marks.next() for _ in range(3)]
    assert [mark["mark"] for mark in seen if mark] == ["sandbox_ready", "runtime_ready", "function_ready"]
    times = [before, started.launched_ns, *(mark["at_ns"] for mark in seen if mark), time.monotonic_ns()]
    assert times == sorted(times)
    assert (started.kind, started.exit_code()) == (backend, None)


def test_a_direct_call_and_an_http_request_reach_the_handler(box: Sandbox) -> None:
    assert call(box, a=1)["echo"] == {"a": 1}
    with urllib.request.urlopen(f"{box.address}/some/path?x=1", timeout=60) as answer:
        event = json.load(answer)["echo"]
        assert answer.headers["X-Workbench-Instance"] == box.name
    assert (event["rawPath"], event["queryStringParameters"]) == ("/some/path", {"x": "1"})


def test_requests_are_served_concurrently(box: Sandbox) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: call(box, do="meet"), range(2))) == ["met", "met"]


def test_the_environment_is_lambdas_and_the_services_own(launch: Launch) -> None:
    started = launch(environment={"COLOUR": "blue"}, resources={"memory_mb": 512})
    Marks(started.control).until("function_ready")
    inside = call(started, do="environment")
    assert (inside["COLOUR"], inside["_HANDLER"]) == ("blue", "index.handler")
    assert inside["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert inside["AWS_EXECUTION_ENV"].startswith("AWS_Lambda_nodejs")
    assert not {"WORKBENCH_CONTROL_FD", "WORKBENCH_LISTEN_FD", "WORKBENCH_CONTROL_PATH", "WORKBENCH_OPT"} & set(inside)


def test_it_runs_functions_on_a_runtime_api_of_its_own(backend: str, tmp_path: Path) -> None:
    files = {"index.js": "exports.handler = async (event) => event.a + require('one')"}
    layer = tmp_path / "layer/nodejs/node_modules/one"
    layer.mkdir(parents=True)
    (layer / "index.js").write_text("module.exports = 1")
    with Instance(files, "index.handler", tmp_path, backend, opt=tmp_path / "layer") as instance:
        assert instance.seen == ["sandbox_ready", "runtime_ready"]
        assert instance.box.address == ""
        assert [instance.value({"a": number}) for number in (1, 2)] == [2, 3]
        assert "handler" not in instance.printed()


def test_a_service_that_does_not_load_is_a_mark(launch: Launch, code: Path) -> None:
    (code / "index.js").write_text("throw new RangeError('no table')")
    started = launch()
    marks = Marks(started.control)
    seen = [marks.next() for _ in range(3)]
    assert seen[-1] is not None
    assert (seen[-1]["mark"], seen[-1]["error"]["errorType"]) == ("init_error", "RangeError")
    assert any("index.js:1" in line for line in seen[-1]["error"]["stackTrace"])
    assert marks.next() is None, "the channel ends with the instance"
    assert eventually(lambda: started.exit_code() == 1)


def test_it_is_alone_in_its_box(box: Sandbox) -> None:
    if "network" not in box.enforced and box.kind == "process":
        pytest.skip("a process has no box")
    child = call(box, do="child")
    assert sorted(call(box, do="processes")) == sorted(["1", str(child)])
    assert not call(box, do="write", place="/var/task")
    assert not call(box, do="write", place="/var/lang/bin")
    assert call(box, do="write", place="/tmp")


def test_frozen_it_gets_no_cpu_and_thawed_it_goes_on(box: Sandbox) -> None:
    box.freeze()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, box, do="ticks")
        time.sleep(0.5)
        assert not first.done(), "a frozen instance answered"
        box.thaw()
        before = first.result(60)
    assert eventually(lambda: call(box, do="ticks") > before)


def test_usage_counts_what_was_done(box: Sandbox) -> None:
    before = box.usage()
    if before is None:
        pytest.skip("this machine does not account for it")
    call(box, do="spin", cpu_s=before.cpu_s + 0.5)
    call(box, do="fill", mb=64)
    after = box.usage()
    assert after is not None
    assert after.cpu_s >= before.cpu_s + 0.25
    assert after.peak_memory_bytes >= 60 * 2**20


def test_the_memory_limit_ends_what_exceeds_it(launch: Launch) -> None:
    started = launch(resources={"memory_mb": 128})
    Marks(started.control).until("function_ready")
    assert call(started, do="fill", mb=16) == 16 * 2**20
    assert call(started, do="garbage", mb=600) == 600, "what nobody holds is collected before it counts"
    assert not started.oom_killed()
    with pytest.raises((urllib.error.URLError, OSError)):
        call(started, do="fill", mb=400)
    assert eventually(lambda: started.exit_code() is not None)
    assert started.exit_code() != 0
    assert eventually(started.oom_killed)


def test_a_streamed_response_goes_out_over_http(launch: Launch, code: Path) -> None:
    (code / "index.js").write_text(
        """
        exports.handler = awslambda.streamifyResponse(async (event, stream) => {
          if (event.rawPath === "/bad") throw new RangeError("far");
          stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "x-a": "b" } });
          stream.write("one ");
          stream.end("two");
        });
        """
    )
    started = launch()
    Marks(started.control).until("function_ready")
    with urllib.request.urlopen(f"{started.address}/", timeout=60) as answer:
        assert (answer.status, answer.headers["x-a"], answer.read()) == (201, "b", b"one two")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{started.address}/bad", timeout=60)
    assert caught.value.code == 502


def test_its_own_exit_code_is_told(box: Sandbox) -> None:
    with pytest.raises((urllib.error.URLError, OSError)):
        call(box, do="exit", code=42)
    assert eventually(lambda: box.exit_code() == 42)
    assert Marks(box.control).next() is None


def test_killed_and_closed_with_all_it_started(box: Sandbox) -> None:
    call(box, do="child")
    box.kill()
    assert not [trace for trace in traces(box.name) if trace.startswith("process")]
    assert box.exit_code() not in (0, None)
    box.close()
    assert traces(box.name) == []


def test_what_it_prints_comes_out(box: Sandbox) -> None:
    call(box, do="print", text="hello from inside")
    seen: list[str] = []
    assert eventually(lambda: seen.append(output(box)) or "".join(seen).count("hello from inside") == 2)
    assert "\tINFO\tmodule loaded" in "".join(seen)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_nothing_outlives_an_owner_that_was_killed(backend: str, code: Path, busy: bool) -> None:
    name = f"nodeorphan-{os.getpid()}-{next(_numbers)}"
    program = textwrap.dedent(
        f"""
        import threading, time
        from pathlib import Path
        from tests.functional.sandboxes.boxes import Marks, call
        from workbench import isolation
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources

        code = Path({str(code)!r})
        spec = SandboxSpec({name!r}, "http_host.py", "index.handler", code, Resources(), language="nodejs")
        box = isolation.launcher({backend!r})(spec)
        Marks(box.control).until("function_ready")
        call(box, do="child")
        if {busy!r}:  # the handler never lets the event loop go on
            threading.Thread(target=call, args=(box,), kwargs=dict(do="spin", cpu_s=600), daemon=True).start()
            while box.usage().cpu_s < 0.8:
                time.sleep(0.01)
        print("ready", flush=True)
        time.sleep(600)
        """
    )
    environment = {key: value for key, value in os.environ.items() if key != "WORKBENCH_SESSION"}
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root, env=environment
    ) as owner:
        assert owner.stdout is not None
        try:
            assert owner.stdout.readline() == "ready\n"
            assert traces(name)
        finally:
            owner.kill()
    assert eventually(lambda: not traces(name)), traces(name)
