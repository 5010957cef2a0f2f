"""What every sandbox promises, asked of each back end in the same words."""

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

from tests.functional.sandboxes.boxes import SERVICE, Marks, RuntimeApi, call, eventually, output, traces
from tests.needs import needs
from workbench import isolation
from workbench.errors import DeploymentError
from workbench.sandbox import Sandbox, SandboxSpec, Technique
from workbench.service import Resources

LIMITS = {"memory", "cpu", "pids", "tmp", "network", "filesystem", "freeze", "seccomp"}
_numbers = itertools.count()

Launch = Callable[..., Sandbox]

NO_FUNCTIONS = frozenset({"qemu"})
"""Back ends that host a server only, and refuse a serverless function's runtime."""


@pytest.fixture(
    params=[pytest.param(name, marks=() if name == "process" else needs(name)) for name in isolation.BACKENDS]
)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "app.py").write_text(SERVICE)
    return directory


@pytest.fixture
def launch(backend: str, code: Path) -> Iterator[Launch]:
    with contextlib.ExitStack() as stack:

        def start(entry: str = "http_host.py", handler: str = "app.handler", **more: Any) -> Sandbox:
            name = f"box-{os.getpid()}-{next(_numbers)}"
            spec = SandboxSpec(
                name, entry, handler, more.pop("code", code), Resources(**more.pop("resources", {})), **more
            )
            box = isolation.launcher(backend)(spec)
            stack.callback(box.close)
            return box

        yield start


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """Launches virtual machines that are restored: their boot would be most of the time that these tests take."""
    code = tmp_path_factory.mktemp("restored")
    (code / "app.py").write_text(SERVICE)
    with contextlib.closing(isolation.snapshots()) as snapshots:

        def start() -> Sandbox:
            name = f"box-{os.getpid()}-{next(_numbers)}"
            return snapshots.launch(SandboxSpec(name, "http_host.py", "app.handler", code, Resources()))

        yield start


@pytest.fixture
def box(backend: str, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    start: Launch = request.getfixturevalue("restored" if backend == "qemu" else "launch")
    with contextlib.closing(start()) as started:
        Marks(started.control).until("function_ready")
        yield started


@pytest.fixture
def hosts_functions(backend: str) -> None:
    if backend in NO_FUNCTIONS:
        pytest.skip(f"{backend} refuses serverless functions, which is tested")


def test_marks_come_in_order_on_one_clock(launch: Launch, backend: str) -> None:
    before = time.monotonic_ns()
    started = launch()
    marks = Marks(started.control)
    boot = ["vmm", "init"] if backend == "qemu" else []
    expected = [*boot, "sandbox_ready", "runtime_ready", "function_ready"]
    seen = [marks.next() for _ in expected]
    assert [mark["mark"] for mark in seen if mark] == expected
    times = [before, started.launched_ns, *(mark["at_ns"] for mark in seen if mark), time.monotonic_ns()]
    assert times == sorted(times)
    assert started.kind.partition("-")[0] == backend
    assert started.exit_code() is None
    assert started.enforced <= LIMITS


def test_a_direct_call_and_an_http_request_reach_the_handler(box: Sandbox, backend: str) -> None:
    assert call(box, a=1)["echo"] == {"a": 1}
    with urllib.request.urlopen(f"{box.address}/some/path?x=1", timeout=60) as answer:
        event = json.load(answer)["echo"]
        if backend != "qemu":  # a restored machine believes that it is the one that was saved
            assert answer.headers["X-Workbench-Instance"] == box.name
    assert (event["rawPath"], event["queryStringParameters"]) == ("/some/path", {"x": "1"})


def test_the_environment_is_lambdas_and_the_services_own(launch: Launch, code: Path) -> None:
    os.environ["MY_SECRET_OUTSIDE"] = "x"
    try:
        started = launch(environment={"COLOUR": "blue"}, resources={"memory_mb": 512})
        Marks(started.control).until("function_ready")
        inside = call(started, do="environment")
    finally:
        del os.environ["MY_SECRET_OUTSIDE"]
    assert inside["COLOUR"] == "blue"
    assert inside["_HANDLER"] == "app.handler"
    assert inside["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert {"AWS_EXECUTION_ENV", "AWS_REGION", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "PATH", "TZ"} <= set(inside)
    assert not {"MY_SECRET_OUTSIDE", "WORKBENCH_CONTROL_FD", "WORKBENCH_LISTEN_FD", "PYTHONPATH"} & set(inside)


def test_requests_are_served_concurrently(box: Sandbox) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: call(box, do="meet"), range(2)))
    assert answers == ["met", "met"]


@pytest.mark.usefixtures("hosts_functions")
def test_the_listener_passed_out_serves_a_runtime_api(launch: Launch, backend: str) -> None:
    for technique in isolation.techniques(backend) - {Technique.SNAPSHOT}:
        started = launch("lambda_host.py", technique=technique)
        marks = Marks(started.control)
        assert marks.until("runtime_ready") == ["sandbox_ready", "runtime_ready"]
        assert started.address == ""
        [descriptor] = marks.descriptors
        with contextlib.closing(RuntimeApi(descriptor)) as api:
            assert api.invoke({"a": 1})["echo"] == {"a": 1}
            environment = api.invoke({"do": "environment"})
        assert environment["WORKBENCH_INSTANCE"] == started.name
        hidden = {"WORKBENCH_CONTROL_FD", "WORKBENCH_WATCHED", "WORKBENCH_PORTS", "WORKBENCH_OPT"}
        assert not hidden & set(environment), technique


@pytest.mark.usefixtures("hosts_functions")
def test_an_import_error_is_reported_through_the_runtime_api(launch: Launch, backend: str, code: Path) -> None:
    (code / "app.py").write_text("import nothing_of_this_name\n")
    for technique in isolation.techniques(backend) - {Technique.SNAPSHOT}:
        started = launch("lambda_host.py", technique=technique)
        marks = Marks(started.control)
        marks.until("runtime_ready")
        with contextlib.closing(RuntimeApi(marks.descriptors[0])) as api:
            report = api.request()
            api.accept()
        assert report.startswith(b"POST /2018-06-01/runtime/init/error ")
        assert b"nothing_of_this_name" in report
        assert eventually(lambda started=started: started.exit_code() == 1), technique


@pytest.mark.usefixtures("hosts_functions")
def test_layers_come_after_the_code_and_before_the_rest(launch: Launch, backend: str, code: Path) -> None:
    layers = code.parent / "layers"
    (layers / "python").mkdir(parents=True)
    (layers / "python" / "layered.py").write_text("where = 'a layer'\n")
    (layers / "python" / "both.py").write_text("where = 'a layer'\n")
    (code / "both.py").write_text("where = 'the code'\n")
    (code / "app.py").write_text("import both, layered\ndef handler(e, c): return [both.where, layered.where]\n")
    for technique in isolation.techniques(backend) - {Technique.SNAPSHOT}:
        started = launch("lambda_host.py", technique=technique, opt=layers)
        marks = Marks(started.control)
        marks.until("runtime_ready")
        with contextlib.closing(RuntimeApi(marks.descriptors[0])) as api:
            assert api.invoke({}) == ["the code", "a layer"], technique


def test_an_import_error_of_a_host_is_a_mark(launch: Launch, code: Path) -> None:
    (code / "app.py").write_text("x = 1\nraise KeyError('no table')\n")
    started = launch()
    marks = Marks(started.control)
    seen = [marks.next()]
    while seen[-1] is not None and seen[-1]["mark"] != "init_error":
        seen.append(marks.next())
    assert seen[-1] is not None
    assert seen[-1]["mark"] == "init_error"
    assert seen[-1]["error"]["errorType"] == "KeyError"
    assert "app.py" in "".join(seen[-1]["error"]["stackTrace"])
    assert marks.next() is None, "the channel ends with the instance"
    assert eventually(lambda: started.exit_code() == 1)
    assert eventually(lambda: "no table" in output(started))


def test_frozen_it_gets_no_cpu_and_thawed_it_goes_on(box: Sandbox) -> None:
    assert "freeze" in box.enforced
    box.freeze()
    box.freeze()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, box, do="ticks")
        time.sleep(0.5)
        assert not first.done(), "a frozen instance answered"
        frozen = box.usage()
        time.sleep(0.3)
        later = box.usage()
        # gVisor's kernel is a process too, which ticks while what it runs is paused.
        own_s = 0.05 if box.kind == "gvisor" else 0.0
        assert frozen is None or (later is not None and later.cpu_s - frozen.cpu_s <= own_s)
        box.thaw()
        before = first.result(60)
    assert eventually(lambda: call(box, do="ticks") > before)
    box.thaw()


def test_usage_never_decreases_and_counts_what_was_done(box: Sandbox) -> None:
    before = box.usage()
    if before is None:
        pytest.skip("this machine does not account for it")
    call(box, do="spin", cpu_s=0.3)
    call(box, do="fill", mb=64)
    after = box.usage()
    assert after is not None
    assert after.cpu_s >= before.cpu_s + 0.25
    assert after.peak_memory_bytes >= 60 * 2**20
    box.kill()
    last = box.usage()
    assert last is None or (last.cpu_s >= after.cpu_s and last.peak_memory_bytes >= after.peak_memory_bytes)


def test_the_memory_limit_ends_what_exceeds_it(launch: Launch) -> None:
    started = _ended_by_its_memory_limit(launch)
    if started.kind in ("docker", "gvisor") and not started.oom_killed():
        # The engine tells only what its shim has read before the container's cgroup was gone; on a busy machine it may
        # be too late.
        started = _ended_by_its_memory_limit(launch)
    assert eventually(started.oom_killed)


def _ended_by_its_memory_limit(launch: Launch) -> Sandbox:
    started = launch(resources={"memory_mb": 128})
    Marks(started.control).until("function_ready")
    assert "memory" in started.enforced
    assert call(started, do="fill", mb=16) == 16 * 2**20
    assert not started.oom_killed()
    with pytest.raises((urllib.error.URLError, OSError)):
        call(started, do="fill", mb=400)
    assert eventually(lambda: started.exit_code() is not None)
    assert started.exit_code() not in (0, None)
    return started


def test_its_own_exit_code_is_told_and_its_channel_ends(box: Sandbox) -> None:
    with pytest.raises((urllib.error.URLError, OSError)):
        call(box, do="exit", code=42)
    assert eventually(lambda: box.exit_code() == 42)
    assert Marks(box.control).next() is None
    box.freeze()
    box.thaw()
    box.kill()
    assert box.exit_code() == 42


def test_killed_twice_and_closed_twice_with_all_it_started(box: Sandbox) -> None:
    call(box, do="child")
    assert box.exit_code() is None
    box.kill()
    assert not [trace for trace in traces(box.name) if trace.startswith("process")]
    assert box.exit_code() not in (0, None)
    box.kill()
    box.close()
    box.close()
    box.kill()
    assert traces(box.name) == []
    with pytest.raises(OSError):
        call(box)


def test_closed_while_frozen(box: Sandbox) -> None:
    box.freeze()
    box.close()
    assert traces(box.name) == []


def test_what_it_prints_comes_out(box: Sandbox, backend: str) -> None:
    call(box, do="print", text="hello from inside")
    seen = []
    assert eventually(lambda: seen.append(output(box)) or "".join(seen).count("hello from inside") == 2)
    if backend != "qemu":  # which was restored here: what it said before it was saved went to another
        assert "module loaded" in "".join(seen)


def test_it_has_a_place_of_its_own_to_write(box: Sandbox) -> None:
    found = call(box, do="files")
    writable = found["writable"]
    task_root = next(iter(writable))
    assert found["cwd"] == task_root
    assert [place for place, could in writable.items() if could and place != task_root]
    if "filesystem" in box.enforced:
        assert not writable[task_root]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"entry": "nothing.py"}, "nothing.py"), ({"code": Path("/nowhere/at/all")}, "/nowhere/at/all")],
)
def test_what_cannot_be_launched_is_refused(launch: Launch, change: dict[str, Any], said: str) -> None:
    with pytest.raises(DeploymentError, match=said):
        launch(**change)


@pytest.mark.parametrize("backend", [pytest.param(n, marks=needs(n)) for n in sorted(NO_FUNCTIONS)], indirect=True)
def test_what_hosts_no_function_says_so(launch: Launch) -> None:
    with pytest.raises(DeploymentError, match="choose another sandbox"):
        launch("lambda_host.py")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_nothing_outlives_an_owner_that_was_killed(backend: str, code: Path, tmp_path: Path, frozen: bool) -> None:
    name = f"orphan-{os.getpid()}-{next(_numbers)}"
    program = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from tests.functional.sandboxes.boxes import Marks, call
        from workbench import isolation
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources

        spec = SandboxSpec({name!r}, "http_host.py", "app.handler", Path({str(code)!r}), Resources())
        box = isolation.launcher({backend!r})(spec)
        Marks(box.control).until("function_ready")
        call(box, do="child")
        if {frozen!r}:
            box.freeze()
        print("ready", flush=True)
        time.sleep(600)
        """
    )
    environment = {name: value for name, value in os.environ.items() if name != "WORKBENCH_SESSION"}
    root = str(Path(__file__).parents[3])
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root, env=environment
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        assert len(traces(name)) >= 1
    finally:
        owner.kill()
        owner.wait()
        if owner.stdout is not None:
            owner.stdout.close()
    assert eventually(lambda: not traces(name), patience_s=120), traces(name)
    sessions = Path(os.environ["TMPDIR"]) / f"workbench-{os.getuid()}" / "sessions"
    assert eventually(lambda: not list(sessions.glob(f"{owner.pid}-*")))
    if backend in ("docker", "gvisor"):
        assert eventually(lambda: name not in _containers())


def _containers() -> set[str]:
    import docker

    client = docker.from_env()
    try:
        return {str(container.name) for container in client.containers.list(all=True, ignore_removed=True)}
    finally:
        client.close()
