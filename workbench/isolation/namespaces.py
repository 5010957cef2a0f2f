"""The namespaces sandbox: a container without an engine, made of the kernel's own parts by an unprivileged user.

Its processes, mounts, host name, network and IPC are its own; its root file system is read-only and /tmp is limited;
it has no capability and can gain none. `_boxed.py` says how it is built.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.isolation import cgroups, channel, keeper, rootfs
from workbench.isolation.limits import Limits
from workbench.isolation.tree import ProcessTree
from workbench.sandbox import SandboxSpec, Usage
from workbench.session import VARIABLE, session_id

NAME = "namespaces"

UID = 64_535
"""The user that root's instances run as: one that no distribution gives to anybody."""

_BUILDER = Path(__file__).with_name("_boxed.py")
_PATIENCE_S = 30.0
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


def launch(spec: SandboxSpec) -> NamespacesSandbox:
    """Start `spec.entry` in namespaces of its own.

    Raises CapabilityMissing where this machine does not allow them, DeploymentError when a step fails otherwise.
    """
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    root = rootfs.root_fs()
    keeper.keep(spec.name)
    with contextlib.ExitStack() as undo, contextlib.ExitStack() as given:
        undo.callback(keeper.forget, spec.name)
        ours, theirs = channel.control_pair()
        undo.callback(ours.close)
        given.callback(theirs.close)
        output, write_end = channel.output_pipe()
        undo.callback(os.close, output)
        given.callback(os.close, write_end)
        setup, builder_end = socket.socketpair()
        undo.callback(setup.close)
        given.callback(builder_end.close)
        environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
        environment["WORKBENCH_CONTROL_FD"] = str(theirs.fileno())
        inherit, address = [theirs.fileno()], ""
        if spec.entry == channel.HTTP_ENTRY:
            listener = channel.http_listener()
            given.callback(listener.close)
            address = channel.address_of(listener)
            environment["WORKBENCH_LISTEN_FD"] = str(listener.fileno())
            inherit.append(listener.fileno())
        process = _start(spec.name, builder_end, write_end, inherit)
        undo.callback(_end, process)
        given.close()
        cgroup = cgroups.create(spec.name, spec.resources, spec.pids_limit)  # while the builder starts
        if cgroup is not None:
            undo.callback(cgroup.remove)
        held = cgroup.controllers if cgroup is not None else frozenset()
        order = _order(spec, root, environment, inherit, limit_processes="pids" not in held)
        inner, handle = _talk(setup, order, cgroup, spec.name)
        undo.pop_all()
    setup.close()
    limits = Limits(ProcessTree(inner, spec.name), cgroup, spec.resources)
    return NamespacesSandbox(spec, process, handle, limits, ours, output, address, launched_ns)


class NamespacesSandbox:
    """See `workbench.sandbox.Sandbox`."""

    kind = NAME

    def __init__(
        self,
        spec: SandboxSpec,
        process: subprocess.Popen[bytes],
        handle: int,
        limits: Limits,
        control: socket.socket,
        output: int,
        address: str,
        launched_ns: int,
    ) -> None:
        self.name, self.address, self.control, self.output = spec.name, address, control, output
        self.launched_ns = launched_ns
        self._process, self._handle, self._limits = process, handle, limits
        self._lock = threading.RLock()
        self._closed = False

    @property
    def enforced(self) -> frozenset[str]:
        """Limits that hold. Without a memory cgroup, `memory` is a watch that looks every 50 ms."""
        return frozenset({"memory", "freeze", "tmp", "network", "filesystem", "pids"}) | (self._limits.held & {"cpu"})

    def freeze(self) -> None:
        """Take its CPU away until `thaw`."""
        if self.exit_code() is None:
            self._limits.freeze()

    def thaw(self) -> None:
        """Let it run again."""
        if self.exit_code() is None:
            self._limits.thaw()

    def usage(self) -> Usage:
        """CPU and peak memory so far; what was last seen once it has ended."""
        return self._limits.usage()

    def oom_killed(self) -> bool:
        """Whether its memory limit ended something inside."""
        return self._limits.oom_killed()

    def exit_code(self) -> int | None:
        """None while it lives; its exit status, or minus the signal that ended it."""
        with self._lock:
            return self._process.poll()

    def kill(self) -> None:
        """End it and everything it started, at once: the end of its first process is the end of its namespace."""
        with self._lock:
            if self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            self._limits.end()
            _end(self._process, patience_s=5.0)

    def close(self) -> None:
        """`kill`, then release descriptors and the cgroup; its mounts and network went with its namespaces."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.kill()
            self._limits.remove()
            self.control.close()
            os.close(self.output)
            os.close(self._handle)
            keeper.forget(self.name)


def _start(name: str, setup: socket.socket, output: int, inherit: list[int]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [channel.interpreter(), "-I", "-S", "-B", str(_BUILDER), str(setup.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"LANG": "C.UTF-8", VARIABLE: session_id(), "WORKBENCH_INSTANCE": name},
            pass_fds=[setup.fileno(), *inherit],
            start_new_session=True,  # so that Ctrl-C in the owner's terminal does not end it first
        )
    except (OSError, ValueError) as error:
        raise DeploymentError(f"The process of instance {name} could not be started: {error}.") from error


def _order(
    spec: SandboxSpec, root: Path, environment: Mapping[str, str], inherit: list[int], *, limit_processes: bool
) -> bytes:
    """The specification that `_boxed.py` reads, as one JSON line."""
    order = {
        "root": str(root),
        "code": str(spec.code),
        "uid": UID,
        "inside_uid": rootfs.INSIDE_UID,
        "hostname": spec.name[:63],
        "tmp_mb": spec.resources.tmp_mb,
        "shm_mb": 64,
        "nproc": spec.pids_limit if limit_processes else 0,  # counted by user namespace since Linux 5.14
        "control": inherit[0],
        "inherit": inherit,
        "argv": [rootfs.interpreter(), *channel.PYTHON_OPTIONS, f"/var/runtime/{spec.entry}"],
        "environment": dict(environment),
    }
    return json.dumps(order).encode() + b"\n"


def _talk(setup: socket.socket, order: bytes, cgroup: cgroups.Cgroup | None, name: str) -> tuple[int, int]:
    """Have the box built, put its first process under its limits and let it go; its pid and a handle of it."""
    setup.settimeout(_PATIENCE_S)
    try:
        with setup.makefile("rb") as lines:
            setup.sendall(order)
            inner = _answer(lines.readline(), name).get("pid")
            if inner is None:
                raise DeploymentError(f"The box of instance {name} ended while it was built. Read its output.")
            handle = os.pidfd_open(inner)
            try:
                try:
                    if cgroup is not None:
                        cgroup.add(inner)
                    setup.sendall(b"go\n")
                except (DeploymentError, OSError):
                    _answer(lines.readline(), name)  # it has ended: why, is the better error
                    raise
                _answer(lines.readline(), name)
            except BaseException:
                os.close(handle)
                raise
            return inner, handle
    except TimeoutError as error:
        raise DeploymentError(f"The box of instance {name} was not built in {_PATIENCE_S:.0f} s.") from error
    except (ConnectionError, ProcessLookupError) as error:
        raise DeploymentError(f"The box of instance {name} ended while it was built ({error}).") from error


def _answer(line: bytes, name: str) -> dict[str, Any]:
    if not line:
        return {}
    answer: dict[str, Any] = json.loads(line)
    if "failed" not in answer:
        return answer
    number = answer["errno"]
    reason = os.strerror(number) if number else answer.get("detail", "unknown")
    what = f"The box of instance {name} could not be built: {answer['failed']} failed ({reason})"
    if number in _REFUSED and answer["failed"] in _STEPS_THAT_ARE_REFUSED:
        raise CapabilityMissing(what, _REMEDY)
    raise DeploymentError(f"{what}. Run `workbench doctor`.")


def _end(process: subprocess.Popen[bytes], patience_s: float = 0.0) -> None:
    """Wait for the outer process, which ends with the inner one; end it where it does not, and the inner with it."""
    try:
        process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
