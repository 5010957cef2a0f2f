"""What a handler sees and can reach from inside the namespaces sandbox."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import unprivileged
from tests.functional.sandboxes.boxes import Marks, call, eventually, traces
from tests.needs import needs
from workbench.errors import DeploymentError
from workbench.isolation import namespaces, rootfs
from workbench.isolation.namespaces import NamespacesSandbox
from workbench.sandbox import SandboxSpec
from workbench.service import Resources

pytestmark = needs("namespaces")

ROOT = str(Path(__file__).parents[2])
# The tests ask in Python: the handler runs what it is told and answers `answer`.
SERVICE = """
def handler(event, context):
    names = {}
    exec(event["run"], names)
    return names["answer"]
"""
_numbers = itertools.count()
Launch = Callable[..., NamespacesSandbox]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "code"
    directory.mkdir()
    (directory / "app.py").write_text(SERVICE)
    return directory


@pytest.fixture
def launch(code: Path) -> Iterator[Launch]:
    with contextlib.ExitStack() as stack:

        def start(**resources: int) -> NamespacesSandbox:
            name = f"ns-{os.getpid()}-{next(_numbers)}"
            spec = SandboxSpec(name, "http_host.py", "app.handler", code, Resources(**resources), pids_limit=32)
            box = namespaces.launch(spec)
            stack.callback(box.close)
            Marks(box.control).until("function_ready")
            return box

        yield start


@pytest.fixture
def box(launch: Launch) -> NamespacesSandbox:
    return launch()


def ask(box: NamespacesSandbox, program: str) -> Any:
    return call(box, run=textwrap.dedent(program))


def test_it_is_the_first_process_and_sees_only_its_own(box: NamespacesSandbox) -> None:
    seen = ask(box, "import os; answer = [os.getpid(), sorted(p for p in os.listdir('/proc') if p.isdigit())]")
    assert seen == [1, ["1"]]


def test_its_host_name_network_and_user_are_its_own(box: NamespacesSandbox) -> None:
    seen = ask(
        box,
        """
        import os, pwd, socket
        user = pwd.getpwuid(os.getuid()).pw_name
        answer = [socket.gethostname(), [name for _, name in socket.if_nameindex()], user, os.getgroups()]
        """,
    )
    assert seen[:3] == [box.name, ["lo"], "service"]
    assert 0 not in seen[3]


def test_loopback_inside_works_and_leads_nowhere_else(box: NamespacesSandbox) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        seen = ask(
            box,
            f"""
            import socket
            own = socket.create_server(("127.0.0.1", 0))
            socket.create_connection(own.getsockname()).close()
            answer = []
            for goal in (("127.0.0.1", {port}), ("192.0.2.1", 80)):
                try:
                    socket.create_connection(goal, timeout=5).close()
                    answer.append("reached")
                except OSError:
                    answer.append("refused")
            """,
        )
    assert seen == ["refused", "refused"]


def test_it_has_no_capability_and_can_gain_none(box: NamespacesSandbox) -> None:
    seen = ask(
        box,
        """
        answer = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
        """,
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(seen[name], 16) == 0, name
    assert seen["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/var/task/new', 'w')",
        "open('/var/runtime/new', 'w')",
        "open('/etc/passwd', 'a')",
        "open('/dev/new', 'w')",
        "os.mkdir('/new')",
        "os.chroot('/tmp')",
        "os.setuid(0)",
        "socket.sethostname('other')",
        "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))",
        "syscall(libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0))",
        "syscall(libc.mount(None, b'/', None, 32 | 4096, None))",  # remount, bind: writable again
        "syscall(libc.umount2(b'/var/task', 2))",
        "syscall(libc.unshare(0x20000))",
        "open('/proc/sys/kernel/hostname', 'w').write('x')",
    ],
)
def test_what_it_must_not_do_is_refused(box: NamespacesSandbox, attempt: str) -> None:
    program = f"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def syscall(result):
    if result: raise OSError(ctypes.get_errno(), "refused")
try:
    {attempt}
    answer = "done"
except OSError as error:
    answer = "refused"
"""
    assert call(box, run=program) == "refused"


def test_nothing_of_the_machine_is_in_its_files(box: NamespacesSandbox) -> None:
    seen = ask(
        box,
        """
        import os
        answer = [sorted(os.listdir("/")), os.path.exists("/sys/kernel"), os.listdir("/tmp"), os.listdir("/var/task")]
        """,
    )
    assert set(seen[0]) <= {"bin", "dev", "etc", "lib", "lib64", "proc", "run", "tmp", "usr", "var"} | {
        path.name for path in rootfs.root_fs().iterdir()
    }
    assert seen[1:] == [False, [], ["app.py"]]


def test_it_inherits_no_descriptor_but_its_own(box: NamespacesSandbox) -> None:
    seen = ask(
        box,
        """
        import os
        answer = []
        for name in os.listdir("/proc/self/fd"):
            try: answer.append(os.readlink(f"/proc/self/fd/{name}"))
            except OSError: pass
        """,
    )
    kinds = [goal.partition(":")[0] for goal in seen]
    assert kinds.count("pipe") == 2, seen  # its output, twice
    assert set(kinds) <= {"pipe", "socket", "/dev/null", "anon_inode", "/proc/1/fd"}, seen
    assert kinds.count("socket") <= 3, seen  # the control channel, the listener, this connection


def test_devices_and_shared_memory_work(box: NamespacesSandbox) -> None:
    seen = ask(
        box,
        """
        import multiprocessing.shared_memory, os
        memory = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
        memory.close(); memory.unlink()
        open("/dev/null", "w").write("x")
        answer = [len(open("/dev/urandom", "rb").read(4)), open("/dev/zero", "rb").read(1) == b"\\0"]
        """,
    )
    assert seen == [4, True]


def test_tmp_is_as_large_as_asked_and_its_own(launch: Launch) -> None:
    program = """
        answer = 0
        try:
            with open("/tmp/big", "wb", buffering=0) as file:
                while answer < 700:
                    file.write(bytes(1 << 20)); answer += 1
        except OSError:
            pass
        """
    first, second = launch(tmp_mb=512, memory_mb=2048), launch(tmp_mb=640, memory_mb=2048)
    assert 505 <= ask(first, program) <= 512
    assert ask(second, "import os; answer = os.listdir('/tmp')") == []
    assert 630 <= ask(second, program) <= 640


def test_a_fork_bomb_stops_at_the_limit(box: NamespacesSandbox) -> None:
    started = ask(
        box,
        """
        import os, signal, time
        children = []
        try:
            while len(children) < 200:
                child = os.fork()
                if child == 0:
                    time.sleep(600)
                children.append(child)
        except OSError:
            pass
        for child in children:
            os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
        answer = len(children)
        """,
    )
    assert 0 < started < 32


def test_only_the_limits_of_the_kernel_are_claimed(box: NamespacesSandbox) -> None:
    assert box.enforced >= {"memory", "freeze", "tmp", "network", "filesystem", "pids"}


def test_it_dies_with_the_zygote(box: NamespacesSandbox) -> None:
    """A parent-death signal, so that not even SIGKILL of the process that watches it leaves it behind."""
    [zygote] = [p for p in psutil.Process().children() if "wb_zygote.py" in " ".join(p.cmdline())]
    [inner] = [p for p in zygote.children() if p.environ().get("WORKBENCH_INSTANCE") == box.name]
    os.kill(zygote.pid, signal.SIGKILL)
    assert eventually(lambda: not inner.is_running() or inner.status() == psutil.STATUS_ZOMBIE)
    assert box.exit_code() == -signal.SIGKILL


def test_it_ends_when_its_control_channel_is_closed(box: NamespacesSandbox) -> None:
    import socket

    box.control.shutdown(socket.SHUT_RDWR)
    assert eventually(lambda: box.exit_code() is not None)


def test_the_thread_that_launched_it_may_end(code: Path) -> None:
    made: list[NamespacesSandbox] = []
    spec = SandboxSpec(f"ns-{os.getpid()}-thread", "http_host.py", "app.handler", code, Resources())
    thread = threading.Thread(target=lambda: made.append(namespaces.launch(spec)))
    thread.start()
    thread.join()
    with contextlib.closing(made[0]) as box:
        Marks(box.control).until("function_ready")
        assert ask(box, "answer = 1") == 1


def test_a_step_that_fails_is_named_and_leaves_nothing(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rootfs, "root_fs", lambda: Path("/nowhere/at/all"))
    spec = SandboxSpec(f"ns-{os.getpid()}-broken", "http_host.py", "app.handler", code, Resources())
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(DeploymentError, match=r"making mounts private|mounting the root file system.*No such file"):
        namespaces.launch(spec)
    assert eventually(lambda: not traces(spec.name))
    # The keeper's pipe may stay open a moment.
    assert len(set(os.listdir("/proc/self/fd")) - before) <= 2


def test_code_that_others_may_not_read_is_an_error(code: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root's instances are another user")
    code.chmod(0o700)
    spec = SandboxSpec(f"ns-{os.getpid()}-closed", "http_host.py", "app.handler", code, Resources())
    with pytest.raises(DeploymentError, match="Permission denied"):
        namespaces.launch(spec)
    assert eventually(lambda: not traces(spec.name))


def test_where_user_namespaces_are_forbidden_the_remedy_is_told(code: Path) -> None:
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from workbench.errors import CapabilityMissing
        from workbench.isolation import namespaces
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources
        try:
            spec = SandboxSpec("ns-forbidden", "http_host.py", "app.handler", Path({str(code)!r}), Resources())
            namespaces.launch(spec)
        except CapabilityMissing as error:
            print(error)
        """
    )
    # The number of user namespaces is a limit of the user namespace that the program is put in.
    limited = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    done = subprocess.run(
        [*limited, script, "sh", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "entering a user namespace failed" in done.stdout, done.stderr
    assert "sandbox='process'" in done.stdout


def test_the_root_of_a_rootless_container_gets_the_same_box(code: Path) -> None:
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from tests.functional.sandboxes.boxes import Marks, call
        from workbench.isolation import namespaces
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources
        box = namespaces.launch(
            SandboxSpec("ns-rootless", "http_host.py", "app.handler", Path({str(code)!r}), Resources())
        )
        Marks(box.control).until("function_ready")
        print(call(box, run="import os; answer = [os.getpid(), os.getuid()]"))
        box.close()
        """
    )
    rootless = ["unshare", "--user", "--map-root-user", sys.executable, "-c", program]
    done = subprocess.run(rootless, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == f"[1, {rootfs.INSIDE_UID}]", done.stderr


@needs("unprivileged")
def test_an_unprivileged_owner_gets_the_same_box(nobody: dict[str, str]) -> None:
    program = textwrap.dedent(
        f"""
        import json, os, tempfile
        from pathlib import Path
        from tests.functional.sandboxes.boxes import Marks, call
        from workbench.isolation import namespaces
        from workbench.sandbox import SandboxSpec
        from workbench.service import Resources

        code = Path(tempfile.mkdtemp())
        (code / "app.py").write_text({SERVICE!r})
        box = namespaces.launch(SandboxSpec("ns-nobody", "http_host.py", "app.handler", code, Resources()))
        Marks(box.control).until("function_ready")
        inside = call(box, run="import os; answer = [os.getpid(), os.getuid(), os.listdir('/var/task')]")
        box.freeze()
        box.thaw()
        usage = box.usage()
        print(json.dumps([os.getuid(), inside, sorted(box.enforced), usage.peak_memory_bytes > 0]))
        box.close()
        """
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
    uid, inside, enforced, counted = json.loads(done.stdout)
    assert uid == unprivileged.UID
    assert inside == [1, rootfs.INSIDE_UID, ["app.py"]]
    assert {"network", "filesystem", "tmp", "pids", "memory"} <= set(enforced)
    assert counted
