"""What the process sandbox alone does: without a cgroup it watches memory and stops processes; it ends politely."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.functional.sandboxes.boxes import SERVICE, Marks, call, eventually, traces
from workbench.isolation import cgroups, process
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.service import Resources
from workbench.session import VARIABLE


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(SERVICE)
    return tmp_path


@pytest.fixture
def without_cgroup(code: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    # As where no control group can be written, which is most people's machine.
    monkeypatch.setattr(cgroups, "create", lambda *_: None)
    spec = SandboxSpec(f"bare-{os.getpid()}", "http_host.py", "app.handler", code, Resources(memory_mb=128))
    box = process.launch(spec)
    try:
        Marks(box.control).until("function_ready")
        yield box
    finally:
        box.close()
        assert traces(box.name) == []


def test_without_a_cgroup_memory_is_watched(without_cgroup: Sandbox) -> None:
    assert without_cgroup.enforced == {"memory", "freeze"}
    assert call(without_cgroup, do="fill", mb=16) == 16 * 2**20
    assert not without_cgroup.oom_killed()
    with pytest.raises((urllib.error.URLError, OSError)):
        call(without_cgroup, do="hold", mb=400)
    assert eventually(lambda: without_cgroup.exit_code() == -signal.SIGKILL)
    assert without_cgroup.oom_killed()


def test_what_has_its_name_in_another_session_lives_on(without_cgroup: Sandbox) -> None:
    environment = {**os.environ, "WORKBENCH_INSTANCE": without_cgroup.name, VARIABLE: f"{os.getppid()}-1-elsewhere"}
    waits = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waits, env=environment, stdin=subprocess.PIPE) as other:
        without_cgroup.kill()
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
        other.communicate(b"\n")


def test_without_a_cgroup_freezing_stops_its_children_too(without_cgroup: Sandbox) -> None:
    child = psutil.Process(call(without_cgroup, do="child"))
    without_cgroup.freeze()
    assert child.status() == psutil.STATUS_STOPPED
    without_cgroup.thaw()
    assert eventually(lambda: child.status() != psutil.STATUS_STOPPED)
    before = call(without_cgroup, do="ticks")
    assert eventually(lambda: call(without_cgroup, do="ticks") > before)


def test_without_a_cgroup_usage_is_seen(without_cgroup: Sandbox) -> None:
    before = without_cgroup.usage()
    call(without_cgroup, do="spin", cpu_s=0.2)
    after = without_cgroup.usage()
    assert before is not None
    assert after is not None
    assert after.cpu_s >= before.cpu_s + 0.15
    assert after.peak_memory_bytes >= before.peak_memory_bytes > 0


def test_sigterm_ends_a_host_politely(code: Path) -> None:
    box = process.launch(SandboxSpec(f"term-{os.getpid()}", "http_host.py", "app.handler", code, Resources()))
    try:
        Marks(box.control).until("function_ready")
        assert call(box, a=1)["echo"] == {"a": 1}
        [pid] = [int(trace.split()[1]) for trace in traces(box.name) if trace.startswith("process")]
        os.kill(pid, signal.SIGTERM)
        assert eventually(lambda: box.exit_code() == 0)
    finally:
        box.close()


def test_a_handler_that_never_gives_up_the_interpreter_ends_with_its_owner(tmp_path: Path) -> None:
    # The pattern takes years, in C, holding the interpreter: no thread of the instance could notice anything.
    (tmp_path / "app.py").write_text(
        "import re\ndef handler(event, context):\n    re.match(r'(a+)+$', 'a' * 64 + 'b')\n"
    )
    name = f"stuck-{os.getpid()}"
    program = textwrap.dedent(
        f"""
        import threading, time
        from pathlib import Path
        from tests.functional.sandboxes.boxes import Marks, call
        from workbench.isolation import keeper, process
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources

        box = process.launch(SandboxSpec({name!r}, "http_host.py", "app.handler", Path({str(tmp_path)!r}), Resources()))
        keeper.forget({name!r})  # so that what ends it is the channel alone
        Marks(box.control).until("function_ready")
        threading.Thread(target=call, args=(box,), daemon=True).start()
        while box.usage().cpu_s < 0.5:
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
        finally:
            owner.kill()
    try:
        assert eventually(lambda: not [trace for trace in traces(name) if trace.startswith("process")])
    finally:
        from workbench import cleaning

        cleaning.clean()
    assert traces(name) == []
