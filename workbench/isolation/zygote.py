"""The owner's side of the zygote: one process that is forked for every instance in namespaces of this process.

It is started with the first instance (about 0.1 s) and ends some seconds after the last; `hold` keeps it in between.
What runs in it is `runtimes/wb_zygote.py`, which says what a fork is and what it is not.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.isolation import channel, rootfs
from workbench.session import VARIABLE, session_id

PATIENCE_S = 30.0
UID = 64_535
"""The user that root's instances run as: one that no distribution gives to anybody."""
_LINGER_S = 3.0
_SCRIPT = Path(__file__).resolve().parent.parent / "runtimes" / "wb_zygote.py"
_RUNTIME_API = "127.0.0.1:9001"
"""Where `wb_box.RUNTIME_API_PORT` is; the runtime client reads it when it is imported, ahead of every fork."""
_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSPC, errno.ENOSYS, errno.EINVAL}
_STEPS_THAT_ARE_REFUSED = {  # by the machine's rules; another step's failure is not for want of a permission
    "entering a mount namespace as root",
    "entering a user namespace",
    "mapping the user",
    "making mounts private",
    "mounting /proc",
    "changing the root",
}
_REMEDY = (
    "Allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone=1, "
    "kernel.apparmor_restrict_unprivileged_userns=0), or use sandbox='docker' or sandbox='process'."
)


class Orders:
    """Our end of the channel to a process that is forked by order (`runtimes/wb_forks.py`), usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, self.inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(PATIENCE_S)

    def send(self, message: Mapping[str, Any], descriptors: Mapping[str, int] | None = None) -> None:
        """Send one; raises ConnectionError where the process has ended, DeploymentError where it takes none."""
        given = descriptors or {}
        packet = json.dumps({**message, "descriptors": list(given)}).encode()
        try:
            with self._lock:
                socket.send_fds(self._channel, [packet], list(given.values()))
        except TimeoutError as error:
            raise DeploymentError("The process that instances are forked from takes no orders.") from error
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise DeploymentError(f"The order for an instance is too long ({len(packet)} bytes).") from error
            raise ConnectionError(str(error)) from error

    def answer(self) -> dict[str, Any]:
        """What it says before it takes the first."""
        answer: dict[str, Any] = json.loads(self._channel.recv(65536) or b"{}")
        return answer

    def close(self) -> None:
        """Let it end."""
        with self._lock:
            self._channel.close()
        self.inside.close()


class Zygote:
    """One running zygote on the root file system `root`. Its methods may be called from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.orders = Orders()
        self.process = _start(self.orders.inside, root)
        self.orders.inside.close()
        try:
            ready = self.orders.answer()
            if "ready" not in ready:
                raise refusal(ready, "The zygote of the namespaces sandbox") or self._silent()
        except OSError as error:
            self.end()
            raise DeploymentError(f"The zygote of the namespaces sandbox did not start: {error}.") from error
        except BaseException:
            self.end()
            raise

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def end(self) -> None:
        """End it, and with it all that were forked from it; returns when it is gone."""
        self.orders.close()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _silent(self) -> DeploymentError:
        self.process.wait(PATIENCE_S)
        said = self.process.stderr.read().decode(errors="replace").strip() if self.process.stderr is not None else ""
        return DeploymentError(f"The zygote of the namespaces sandbox did not start: {said or 'it said nothing'}")


class Life:
    """How one instance ended, as who has waited for it says; `kill` asks for its end."""

    def __init__(self, orders: Orders, number: int, descriptor: int) -> None:
        self._orders, self._number, self._descriptor = orders, number, descriptor
        self._status: int | None = None
        os.set_blocking(descriptor, False)

    def exit_code(self) -> int | None:
        """None while it lives; its exit status, or minus the signal that ended it."""
        if self._status is None and self._descriptor >= 0:
            with contextlib.suppress(BlockingIOError):
                told = os.read(self._descriptor, 32)
                # Nothing told: who it was forked from was killed, and its forks with it.
                self._status = os.waitstatus_to_exitcode(int(told)) if told else -9
        return self._status

    def kill(self) -> None:
        """Have it ended at once; does not wait."""
        if self.exit_code() is None:
            with contextlib.suppress(ConnectionError):
                self._orders.send({"kill": self._number})

    def wait(self, patience_s: float) -> bool:
        """Whether it ended by then."""
        if self.exit_code() is None:
            waiting = select.poll()
            waiting.register(self._descriptor, select.POLLIN)
            waiting.poll(patience_s * 1000)
        return self.exit_code() is not None

    def close(self) -> None:
        """Let go of it; only after `kill`."""
        self.exit_code()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Zygotes:
    """The zygotes of this process, by root file system, and how many need them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Path, Zygote] = {}
        self._owner = 0
        self._users = 0
        self._timer: threading.Timer | None = None

    def of(self, root: Path) -> Zygote:
        with self._lock:
            self._begin()
            zygote = self._made.get(root)
            if zygote is None or not zygote.is_alive():
                if zygote is not None:
                    zygote.end()
                zygote = self._made[root] = Zygote(root)
            return zygote

    def use(self) -> None:
        with self._lock:
            self._begin()
            self._users += 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def release(self) -> None:
        with self._lock:
            if self._owner != os.getpid():
                return
            self._users -= 1
            if self._users == 0:
                self._timer = threading.Timer(_LINGER_S, self.end)
                self._timer.daemon = True
                self._timer.start()

    def end(self) -> None:
        with self._lock:
            if self._owner != os.getpid() or self._users > 0:
                return
            made, self._made = self._made, {}
        for zygote in made.values():
            zygote.end()

    def _begin(self) -> None:
        if self._owner != os.getpid():  # also after a fork: the parent's zygote is not ours
            self._made, self._owner, self._users, self._timer = {}, os.getpid(), 0, None

    def end_at_exit(self) -> None:
        if self._owner == os.getpid():
            self._users = 0
            self.end()


def release() -> None:
    """Say that an instance made by `launch` is closed: a zygote that nobody needs ends."""
    _zygotes.release()


@contextlib.contextmanager
def hold() -> Iterator[None]:
    """Start the zygote now, and keep it while in here, so that no instance's cold start waits for it."""
    _zygotes.use()
    try:
        _zygotes.of(rootfs.root_fs())
        yield
    finally:
        _zygotes.release()


def launch(order: Mapping[str, Any], descriptors: Mapping[str, int], *, root: Path, name: str) -> tuple[Life, int]:
    """Fork an instance of the zygote by `order`; its life, and the pid of its first process.

    Returns when its box is built and its program starts. Raises CapabilityMissing where this machine does not allow
    the box, DeploymentError when a step fails otherwise.
    """
    for last in (False, True):  # a zygote that was killed since the last launch is replaced
        _zygotes.use()
        zygote: Zygote | None = None
        try:
            zygote = _zygotes.of(root)
            return fork(zygote.orders, order, descriptors, name=name)
        except ConnectionError as error:
            _zygotes.release()
            if last or zygote is None:
                raise DeploymentError(f"The zygote of the namespaces sandbox ends at once: {error}.") from error
            zygote.process.wait(PATIENCE_S)
        except BaseException:
            _zygotes.release()
            raise
    raise AssertionError("unreachable")


def fork(orders: Orders, order: Mapping[str, Any], descriptors: Mapping[str, int], *, name: str) -> tuple[Life, int]:
    """Fork an instance of whoever gets `orders`; as `launch`, but raises ConnectionError where that has ended."""
    setup, builder_end = socket.socketpair()
    setup.settimeout(PATIENCE_S)
    setup.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    life, life_end = os.pipe()
    number = next(_numbers)
    try:
        public = {name: value for name, value in order.items() if name != "environment"}
        orders.send({**public, "number": number}, {**descriptors, "setup": builder_end.fileno(), "life": life_end})
        builder_end.close()
        os.close(life_end)
        life_end = -1
        with contextlib.suppress(ConnectionError, TimeoutError):  # a step has failed: which, is told next
            setup.sendall(json.dumps(order["environment"]).encode() + b"\n")
        pid = _await(setup, name)
        return Life(orders, number, life), pid
    except BaseException:
        with contextlib.suppress(ConnectionError):
            orders.send({"kill": number})
        if life_end >= 0:
            os.close(life_end)
        _wait_for_end(life)
        os.close(life)
        raise
    finally:
        builder_end.close()
        setup.close()


def refusal(answer: Mapping[str, Any], what: str) -> DeploymentError | CapabilityMissing | None:
    """The error for an answer that says which step of building failed; None for another answer."""
    if "failed" not in answer:
        return None
    number = answer["errno"]
    reason = os.strerror(number) if number else answer.get("detail", "unknown")
    said = f"{what} could not be built: {answer['failed']} failed ({reason})"
    if number in _REFUSED and answer["failed"] in _STEPS_THAT_ARE_REFUSED:
        return CapabilityMissing(said, _REMEDY)
    return DeploymentError(f"{said}. Run `workbench doctor`.")


def _await(setup: socket.socket, name: str) -> int:
    """The pid of the first process as seen from here, when the box is built."""
    data, pid = b"", 0
    try:
        while True:
            more, ancillary, _, _ = setup.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not more:
                break
            data += more
            if not pid:
                pid = next((_CREDENTIALS.unpack(sent)[0] for _, kind, sent in ancillary if kind == _SCM_CREDENTIALS), 0)
    except TimeoutError as error:
        raise DeploymentError(f"The box of instance {name} was not built in {PATIENCE_S:.0f} s.") from error
    except ConnectionError:
        pass
    for line in data.splitlines():
        error_of_step = refusal(json.loads(line), f"The box of instance {name}")
        if error_of_step is not None:
            raise error_of_step
    if not pid:
        raise DeploymentError(f"The box of instance {name} ended while it was built. Read its output.")
    return int(pid)


def _wait_for_end(life: int) -> None:
    """Wait until what failed to start is gone, so that its control group can be removed."""
    waiting = select.poll()
    waiting.register(life, select.POLLIN)
    waiting.poll(PATIENCE_S * 1000)


def _start(orders: socket.socket, root: Path) -> subprocess.Popen[bytes]:
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    number = str(orders.fileno())
    of_root = [os.path.realpath(root), str(UID), str(rootfs.INSIDE_UID)]
    try:
        return subprocess.Popen(
            [channel.interpreter(), "-I", "-S", "-B", str(_SCRIPT), "enter", number, *of_root, rootfs.interpreter()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={
                # What the runtime client reads when it is imported, and what an interpreter reads when it starts:
                # as `channel.environment` has it.
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{python}",
                "AWS_LAMBDA_RUNTIME_API": _RUNTIME_API,
                "LANG": "C.UTF-8",
                "TZ": ":UTC",
                VARIABLE: session_id(),
            },
            pass_fds=[orders.fileno()],
            start_new_session=True,  # so that Ctrl-C in the owner's terminal does not end it first
        )
    except (OSError, ValueError) as error:
        raise DeploymentError(f"The zygote of the namespaces sandbox could not be started: {error}.") from error


_SCM_CREDENTIALS, _CREDENTIALS = 2, struct.Struct("3i")  # struct ucred: pid, uid, gid, see unix(7)
_numbers = itertools.count(1)
_zygotes = _Zygotes()
atexit.register(_zygotes.end_at_exit)
