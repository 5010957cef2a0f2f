"""Instances that are forked: from the zygote, which has the runtime imported, or from a template of their function.

Longer than other files: most of it holds for both, and each test is run with both.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import unprivileged
from tests.functional.sandboxes.boxes import Marks, RuntimeApi, eventually, output, traces
from tests.needs import needs
from workbench.errors import DeploymentError
from workbench.isolation import namespaces, rootfs, zygote
from workbench.sandbox import Sandbox, SandboxSpec, Technique, Template
from workbench.service import Resources

pytestmark = needs("namespaces")

ROOT = str(Path(__file__).parents[2])
# The tests ask in Python: the handler runs what it is told and answers `answer`.
SERVICE = """
import os, random
from snapshot_restore_py import register_after_restore, register_before_snapshot

drawn = random.random()
unique = os.urandom(8).hex()
with open("/tmp/made_at_init", "w") as file:
    file.write("by the template")
kept = open("/tmp/made_at_init")
hooks = []

@register_before_snapshot
def before():
    hooks.append(["before", os.environ["WORKBENCH_INSTANCE"]])

@register_after_restore
def after():
    hooks.append(["after", os.environ["WORKBENCH_INSTANCE"]])

def handler(event, context):
    names = dict(globals())
    exec(event["run"], names)
    return names["answer"]
"""
SEEN = """
import os, socket
spaces = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("pid", "mnt", "net", "ipc", "uts", "user")}
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
answer = {
    "pid": os.getpid(), "seen": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "user": os.getuid(), "groups": [group for group in os.getgroups() if group == 0],
    "host": socket.gethostname(), "interfaces": [name for _, name in socket.if_nameindex()], "spaces": spaces,
    "capabilities": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "gains": status["NoNewPrivs"].strip(), "cwd": os.getcwd(), "root": sorted(os.listdir("/")),
    "mounts": [line.split()[4] for line in open("/proc/self/mountinfo")],
}
"""
DESCRIPTORS = """
import os
answer = {}
for name in os.listdir("/proc/self/fd"):
    try: answer[name] = os.readlink(f"/proc/self/fd/{name}")
    except OSError: pass
"""
_numbers = itertools.count()


class Instance:
    """A running `lambda_host.py` and the platform's end of its Runtime API."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.marks = Marks(box.control)
        assert self.marks.until("runtime_ready")[0] == "sandbox_ready"
        self.api = RuntimeApi(self.marks.descriptors.pop(0))

    def ask(self, program: str) -> Any:
        return self.api.invoke({"run": textwrap.dedent(program)})

    def close(self) -> None:
        self.api.close()
        self.box.close()


Start = Callable[..., Instance]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "app.py").write_text(SERVICE)
    return directory


def spec_of(code: Path, technique: Technique = Technique.ZYGOTE, **more: Any) -> SandboxSpec:
    name = f"zy-{os.getpid()}-{next(_numbers)}"
    resources = Resources(**more.pop("resources", {}))
    return SandboxSpec(name, "lambda_host.py", "app.handler", code, resources, technique=technique, **more)


@pytest.fixture
def template(code: Path) -> Iterator[Template]:
    with contextlib.closing(namespaces.launch_template(spec_of(code))) as made:
        marks = Marks(made.control)
        assert marks.until("snapshot_ready") == ["sandbox_ready", "runtime_ready", "snapshot_ready"]
        yield made


@pytest.fixture(params=[Technique.ZYGOTE, Technique.SNAPSHOT])
def start(request: pytest.FixtureRequest, code: Path) -> Iterator[Start]:
    launch: Callable[[SandboxSpec], Sandbox] = namespaces.launch
    if request.param is Technique.SNAPSHOT:
        launch = request.getfixturevalue("template").launch
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(contextlib.closing(Instance(launch(spec_of(code, **more)))))


def _zygote() -> psutil.Process:
    [found] = [p for p in psutil.Process().children() if "wb_zygote.py" in " ".join(p.cmdline())]
    return found


def _waiting(parent: psutil.Process) -> set[int]:
    """The first processes of boxes that no instance is in yet."""
    found = set()
    for process in parent.children():
        with contextlib.suppress(psutil.Error, OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            [numbers] = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
            if numbers[-1] == "1" and not (_name_of(process) or "").strip():
                found.add(process.pid)
    return found


def _pid_of(instance: Instance) -> int:
    [process] = [p for p in psutil.Process().children(recursive=True) if _name_of(p) == instance.box.name]
    return int(process.pid)


def _held_by(pid: int) -> set[str]:
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return held


def _held_by_parent(instance: Instance) -> set[str]:
    [process] = [p for p in psutil.Process().children(recursive=True) if _name_of(p) == instance.box.name]
    held = set()
    for name in os.listdir(f"/proc/{process.ppid()}/fd"):
        with contextlib.suppress(OSError):
            held.add(os.readlink(f"/proc/{process.ppid()}/fd/{name}"))
    return held


def _name_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("WORKBENCH_INSTANCE")
    except psutil.Error:
        return None


def test_each_is_the_first_process_of_a_box_of_its_own(start: Start) -> None:
    first, second = start(), start()
    seen = [first.ask(SEEN), second.ask(SEEN)]
    for instance, own in zip((first, second), seen, strict=True):
        assert [own["pid"], own["seen"]] == [1, [1]]
        assert [own["host"], own["interfaces"], own["user"]] == [instance.box.name, ["lo"], rootfs.INSIDE_UID]
        assert [int(number, 16) for number in own["capabilities"]] == [0] * 5
        assert [own["gains"], own["cwd"], own["groups"]] == ["1", "/var/task", []]
        assert set(own["root"]) <= {path.name for path in rootfs.root_fs().iterdir()}
        assert not [place for place in own["mounts"] if place.startswith("/run")], "the machine's files"
    for name, space in seen[0]["spaces"].items():
        assert space not in (seen[1]["spaces"][name], os.readlink(f"/proc/self/ns/{name}")), name


def test_each_has_the_descriptors_of_its_own_and_no_other(start: Start) -> None:
    instances = [start() for _ in range(3)]
    seen = [instance.ask(DESCRIPTORS) for instance in instances]
    private = [{goal for goal in own.values() if goal.startswith(("socket:", "pipe:"))} for own in seen]
    for own, others in ((private[0], private[1] | private[2]), (private[1], private[2])):
        assert not own & others
    for instance, own, mine in zip(instances, seen, private, strict=True):
        assert own["0"] == "/dev/null"
        assert own["1"] == own["2"]
        # Its output twice, its control channel, the connection to its Runtime API, and a pair of the client library's
        # own (curl wakes itself by it). `kept` is the service's.
        kinds = [goal.partition(":")[0] for goal in own.values()]
        assert kinds.count("pipe") == 2, own
        assert kinds.count("socket") <= 4, own
        made_at_init = {"/tmp/made_at_init", "/tmp/made_at_init (deleted)"}
        assert set(kinds) <= {"pipe", "socket", "/dev/null", "/proc/1/fd", *made_at_init}
        # In common with who it was forked from: the control channel alone, whose end is watched there.
        assert mine & _held_by_parent(instance) == {own["3"]}


def test_nobody_inherits_the_variables_of_another(start: Start) -> None:
    key = f"key-{os.urandom(12).hex()}"
    first, second = start(environment={"KEY": key}), start()
    # In two halves, so that the question itself is not what is found.
    look = f"left, right = {key[:14].encode()!r}, {key[14:].encode()!r}\n" + textwrap.dedent(
        """
        answer = 0
        for line in open("/proc/self/maps"):
            place, rights = line.split()[:2]
            start, end = (int(part, 16) for part in place.split("-"))
            if "w" in rights and "[v" not in line:
                with open("/proc/self/mem", "rb") as memory:
                    memory.seek(start)
                    try: found = memory.read(end - start).split(left)[1:]
                    except OSError: continue
                    answer += sum(rest.startswith(right) for rest in found)
        """
    )
    assert first.ask(look) > 0, "it has its own"
    assert second.ask(look) == 0


def test_what_one_writes_the_other_does_not_see(start: Start) -> None:
    first, second = start(resources={"tmp_mb": 512}), start(resources={"tmp_mb": 640})
    first.ask("open('/tmp/own', 'w').write('x'); open('/dev/shm/own', 'w').write('x'); answer = 1")
    assert second.ask("import os; answer = [os.listdir('/tmp'), os.listdir('/dev/shm')]") == [["made_at_init"], []]
    sizes = "import os; found = os.statvfs('/tmp'); answer = found.f_blocks * found.f_frsize >> 20"
    assert [first.ask(sizes), second.ask(sizes)] == [512, 640]
    with pytest.raises(AssertionError, match="Read-only file system"):
        first.ask("open('/var/task/own', 'w')")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("libc.unshare(0x10000000)", errno.EPERM),  # a user namespace, in which it would have capabilities
        ("libc.syscall(56, 0x10000011, 0, 0, 0, 0)", errno.EPERM),  # clone into one
        ("libc.syscall(435, None, 0)", errno.ENOSYS),  # clone3
        ("libc.ptrace(16, 1, 0, 0)", errno.EPERM),
        ("libc.syscall(250, 0, 0, 0, 0)", errno.EPERM),  # keyctl
        ("libc.syscall(321, 0, 0, 0)", errno.EPERM),  # bpf
        ("libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0)", errno.EPERM),
    ],
)
def test_a_filter_refuses_what_capabilities_do_not(start: Start, call: str, said: int) -> None:
    instance = start()
    if "seccomp" not in instance.box.enforced:
        pytest.skip("no libseccomp on this machine")
    if platform.machine() != "x86_64":
        pytest.skip("the numbers are those of x86-64")
    program = f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        answer = [{call}, ctypes.get_errno()]
        """
    assert instance.ask(program) == [-1, said]
    # What programs do all day works: threads, processes, pipes, sockets.
    program = """
        import subprocess, sys, threading
        started = threading.Thread(target=lambda: None); started.start(); started.join()
        answer = subprocess.run([sys.executable, "-c", "print(1 + 1)"], capture_output=True, text=True).stdout
        """
    assert instance.ask(program) == "2\n"


def test_its_limits_and_its_usage_are_its_own(start: Start) -> None:
    first, second = start(resources={"memory_mb": 512}), start(resources={"memory_mb": 256})
    before = second.box.usage()
    first.ask("import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nanswer = 1")
    first.ask("answer = len(bytearray(100 << 20).replace(b'\\0', b'x'))")
    after, other = first.box.usage(), second.box.usage()
    assert before is not None
    assert after is not None
    assert other is not None
    assert after.cpu_s >= 0.19
    assert other.cpu_s - before.cpu_s < 0.1
    assert after.peak_memory_bytes >= 100 << 20 > other.peak_memory_bytes
    if "memory" in first.box.enforced:
        with pytest.raises(ConnectionError):
            second.ask("answer = len(bytearray(600 << 20).replace(b'\\0', b'x'))")
        assert eventually(second.box.oom_killed)
        assert not first.box.oom_killed()


def test_its_output_and_its_end_are_its_own(start: Start) -> None:
    first, second = start(), start()
    with pytest.raises(ConnectionError):
        first.ask("import os; print('last words', flush=True); os._exit(7)")
    assert eventually(lambda: first.box.exit_code() == 7)
    assert first.marks.next() is None
    assert "last words" in output(first.box)
    assert second.box.exit_code() is None
    second.box.kill()
    assert second.box.exit_code() == -signal.SIGKILL
    assert "last words" not in output(second.box)


def test_one_that_never_gives_up_the_interpreter_ends_with_its_channel(start: Start) -> None:
    instance = start()
    instance.api.wait()
    instance.box.control.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: instance.box.exit_code() == -signal.SIGKILL)


def test_it_is_found_by_its_name_and_gone_when_closed(start: Start) -> None:
    instance = start()
    instance.ask("import subprocess, sys; answer = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1).pid")
    # A process shows its name once it runs a program of its own.
    assert eventually(lambda: sum(trace.startswith("process") for trace in traces(instance.box.name)) == 2)
    instance.close()
    assert traces(instance.box.name) == []


def test_listeners_inside_are_served_from_outside(start: Start) -> None:
    instance = start(ports=(9100,))
    [listener] = instance.marks.descriptors
    ask = "import socket; answer = socket.create_connection(('127.0.0.1', 9100)).recv(100).decode()"
    with socket.socket(fileno=listener) as listening, ThreadPoolExecutor(1) as pool:
        listening.settimeout(60)
        answer = pool.submit(instance.ask, ask)
        client, _ = listening.accept()
        with client:
            client.sendall(b"from outside")
        assert answer.result(60) == "from outside"


def test_thirty_at_once_from_as_many_threads(code: Path) -> None:
    with ThreadPoolExecutor(30) as pool, contextlib.ExitStack() as stack:
        boxes = list(pool.map(lambda _: namespaces.launch(spec_of(code)), range(30)))
        for box in boxes:
            stack.callback(box.close)
        instances = [stack.enter_context(contextlib.closing(Instance(box))) for box in boxes]
        hosts = [instance.ask("import socket; answer = socket.gethostname()") for instance in instances]
        assert hosts == [box.name for box in boxes]
        list(pool.map(lambda box: box.close(), boxes))
        assert not any(traces(box.name) for box in boxes[::10])


def test_spawned_they_have_seeds_of_their_own_and_forked_the_same_of_hashes(code: Path) -> None:
    """A fork's hashes have the seed of the zygote: told in its docstring, and shown here."""

    def seen(technique: Technique) -> list[Any]:
        with contextlib.closing(Instance(namespaces.launch(spec_of(code, technique)))) as instance:
            program = "import sys, ssl; answer = [hash('x'), 'wb_forks' in sys.modules, ssl.RAND_bytes(8).hex(), drawn]"
            found: list[Any] = instance.ask(program)
            return found

    forked, spawned = [seen(Technique.ZYGOTE), seen(Technique.ZYGOTE)], [seen(Technique.SPAWN), seen(Technique.SPAWN)]
    assert [forked[0][:2], forked[1][:2]] == [[forked[0][0], True]] * 2
    assert spawned[0][0] != spawned[1][0]
    assert not spawned[0][1]
    for first, second in (forked, spawned):
        assert first[2:] != second[2:]
        assert first[3] != second[3], "random has the same seed in two instances"


def test_what_the_runtime_reads_when_imported_is_the_instances(code: Path) -> None:
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "TZ": "Asia/Tokyo"}
    with contextlib.closing(Instance(namespaces.launch(spec_of(code, environment=environment)))) as instance:
        instance.ask("import logging; logging.getLogger().error('in JSON'); answer = 1")
        lines = output(instance.box).splitlines()
    assert [json.loads(line)["message"] for line in lines if "in JSON" in line] == ["in JSON"]


def test_variables_for_a_starting_process_get_one(code: Path) -> None:
    spec = spec_of(code, environment={"LD_LIBRARY_PATH": "/var/task/lib"})
    with contextlib.closing(Instance(namespaces.launch(spec))) as instance:
        assert instance.ask("import sys; answer = 'wb_forks' in sys.modules") is False


def test_one_is_made_anew_after_the_zygote_was_killed(code: Path) -> None:
    with contextlib.closing(Instance(namespaces.launch(spec_of(code)))) as first:
        before = _zygote()
        os.kill(before.pid, signal.SIGKILL)
        assert eventually(lambda: first.box.exit_code() == -signal.SIGKILL)
        assert eventually(lambda: not [trace for trace in traces(first.box.name) if trace.startswith("process")])
        with contextlib.closing(Instance(namespaces.launch(spec_of(code)))) as second:
            assert second.ask("answer = 1") == 1
            assert _zygote().pid != before.pid
        first.box.kill()


def test_the_zygote_ends_when_nobody_needs_it(code: Path) -> None:
    with zygote.hold():
        first, second = (namespaces.launch(spec_of(code)) for _ in range(2))
        process = _zygote()
        first.close()
    assert not eventually(lambda: not process.is_running(), patience_s=5), "one is left that it is needed for"
    assert second.exit_code() is None
    second.close()
    assert eventually(lambda: not process.is_running())


def test_boxes_are_built_ahead_and_those_that_end_are_built_anew(code: Path) -> None:
    with zygote.hold():
        parent = _zygote()
        assert eventually(lambda: _waiting(parent))
        ahead = _waiting(parent)
        with contextlib.closing(Instance(namespaces.launch(spec_of(code)))) as instance:
            assert _pid_of(instance) in ahead, "it was to be one of those that waited"
            assert eventually(lambda: _waiting(parent) > ahead - {_pid_of(instance)})
            ahead = _waiting(parent)
            for pid in ahead:
                os.kill(pid, signal.SIGKILL)
            assert eventually(lambda: not any(psutil.pid_exists(pid) for pid in ahead))
            with contextlib.closing(Instance(namespaces.launch(spec_of(code)))) as next_one:
                assert [instance.ask("answer = 1"), next_one.ask("answer = 2")] == [1, 2]
                assert eventually(lambda: _waiting(parent))


def test_what_waits_for_an_order_has_nothing_of_an_instance(code: Path) -> None:
    with zygote.hold():
        with contextlib.closing(Instance(namespaces.launch(spec_of(code, environment={"SECRET": "s3cret"})))) as one:
            held = _held_by(_pid_of(one))
            assert eventually(lambda: _waiting(_zygote()))
            for pid in _waiting(_zygote()):
                # What the zygote itself has open: /dev/null, its messages, nothing of `one`.
                assert not _held_by(pid) & (held - _held_by(_zygote().pid))
                assert not Path(f"/proc/{pid}/root/var/task/app.py").exists()
        assert eventually(lambda: _waiting(_zygote()))


def test_the_end_of_the_zygote_is_that_of_all_that_wait(code: Path) -> None:
    with contextlib.closing(Instance(namespaces.launch(spec_of(code)))):
        process = _zygote()
        assert eventually(lambda: _waiting(process))
        waiting = [psutil.Process(pid) for pid in _waiting(process)]
    zygote._zygotes.end()
    assert not [one.pid for one in waiting if one.is_running()]


def test_a_snapshots_instances_have_what_init_made_and_draw_anew(template: Template, code: Path) -> None:
    with contextlib.ExitStack() as stack:
        boxes = [template.launch(spec_of(code, environment={"COLOUR": colour})) for colour in ("red", "blue")]
        first, second = (stack.enter_context(contextlib.closing(Instance(box))) for box in boxes)
        program = "import random; answer = [drawn, unique, hooks, open('/tmp/made_at_init').read(), random.random()]"
        one, other = first.ask(program), second.ask(program)
        assert one[:2] == other[:2], "made at init: the same in all, which is the caveat of snapshots"
        assert one[4] != other[4], "drawn after the restore"
        assert one[2] == [["before", template.name], ["after", first.box.name]]
        assert other[2] == [["before", template.name], ["after", second.box.name]]
        assert one[3] == other[3] == "by the template"
        environments = [instance.ask("import os; answer = dict(os.environ)") for instance in (first, second)]
        assert [environment["COLOUR"] for environment in environments] == ["red", "blue"]
        assert {environment["AWS_LAMBDA_INITIALIZATION_TYPE"] for environment in environments} == {"snap-start"}


def test_the_end_of_a_template_is_its_instances_end(template: Template, code: Path) -> None:
    with contextlib.closing(Instance(template.launch(spec_of(code)))) as instance:
        template.kill()
        assert eventually(lambda: instance.box.exit_code() == -signal.SIGKILL)
        with pytest.raises(DeploymentError, match="has ended"):
            template.launch(spec_of(code))


def test_a_template_whose_init_fails_says_why(code: Path) -> None:
    (code / "app.py").write_text("raise KeyError('no table')\n")
    with contextlib.closing(namespaces.launch_template(spec_of(code))) as made:
        marks = Marks(made.control)
        marks.until("runtime_ready")
        with contextlib.closing(RuntimeApi(marks.descriptors[0])) as api:
            report = api.request()
            api.accept()
        assert b"no table" in report
        assert eventually(lambda: made.exit_code() == 1)


def test_a_hook_before_the_snapshot_that_fails_says_why(code: Path) -> None:
    program = "from snapshot_restore_py import register_before_snapshot\n@register_before_snapshot\ndef f(): 1 / 0\n"
    (code / "app.py").write_text(program + "def handler(e, c): return 1\n")
    with contextlib.closing(namespaces.launch_template(spec_of(code))) as made:
        marks = Marks(made.control)
        marks.until("runtime_ready")
        with contextlib.closing(RuntimeApi(marks.descriptors[0])) as api:
            assert b"ZeroDivisionError" in api.request()
            api.accept()
        assert eventually(lambda: made.exit_code() == 64)


_OWNER = """
import os, time
from pathlib import Path
from tests.functional.sandboxes.boxes import Marks
from workbench.isolation import namespaces
from workbench.sandbox import SandboxSpec, Technique
from workbench.service import Resources

def spec(name):
    return SandboxSpec(name, "lambda_host.py", "app.handler", Path({code!r}), Resources(), technique=Technique.ZYGOTE)

box = namespaces.launch(spec({name!r}))
Marks(box.control).until("runtime_ready")
template = namespaces.launch_template(spec({name!r} + "-t"))
Marks(template.control).until("snapshot_ready")
restored = template.launch(spec({name!r} + "-s"))
marks = Marks(restored.control).until("runtime_ready")
if {frozen!r}:
    restored.freeze()
print(os.getuid(), sorted(restored.enforced), marks, flush=True)
"""


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("frozen", [False, True], ids=["running", "frozen"])
def test_nothing_outlives_an_owner_that_was_killed(code: Path, frozen: bool) -> None:
    name = f"zy-orphan-{os.getpid()}-{next(_numbers)}"
    program = _OWNER.format(code=str(code), name=name, frozen=frozen) + "time.sleep(600)\n"
    environment = {name: value for name, value in os.environ.items() if name != "WORKBENCH_SESSION"}
    owner = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    names = (name, f"{name}-t", f"{name}-s")
    try:
        assert owner.stdout is not None
        assert "snapshot_ready" not in owner.stdout.readline()
        assert all(traces(name) for name in names)
    finally:
        owner.kill()
        owner.wait()
        if owner.stdout is not None:
            owner.stdout.close()
    for name in names:
        assert eventually(lambda name=name: not traces(name)), traces(name)


@needs("unprivileged")
def test_an_unprivileged_owner_forks_the_same_way(nobody: dict[str, str]) -> None:
    code = Path(nobody["HOME"]) / "code"
    code.mkdir()
    (code / "app.py").write_text(SERVICE)
    program = (
        _OWNER.format(code=str(code), name="zy-nobody", frozen=False)
        + "restored.close(); template.close(); box.close()"
    )
    done = subprocess.run(
        unprivileged.command(sys.executable, "-c", program),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=nobody,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{unprivileged.UID} ")
    assert "'network'" in done.stdout
    assert "['sandbox_ready', 'runtime_ready']" in done.stdout
