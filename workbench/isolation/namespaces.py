"""The namespaces sandbox: a container without an engine, made of the kernel's own parts by an unprivileged user.

Its processes, mounts, host name, network and IPC are its own; its root file system is read-only and /tmp is limited;
it has no capability and can gain none. `runtimes/wb_box.py` says how it is built, `runtimes/wb_zygote.py` from what.

An instance that is spawned has an interpreter of its own, started for it. One made by ZYGOTE goes on in a fork of the
zygote, which has the runtime imported; only `lambda_host.py` in Python has this choice, anything else is spawned, and
so is an instance whose variables mean something to a starting process only (see `_FOR_A_NEW_PROCESS`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.errors import DeploymentError
from workbench.isolation import cgroups, channel, keeper, languages, rootfs, seccomp, zygote
from workbench.isolation.limits import Limits
from workbench.isolation.tree import ProcessTree
from workbench.sandbox import SandboxSpec, Technique, Usage

NAME = "namespaces"
hold = zygote.hold
TECHNIQUES = frozenset({Technique.SPAWN, Technique.ZYGOTE, Technique.SNAPSHOT})

_SHM_MB = 64
_TEMPLATE_VCPUS = 1.0
"""What a template has at least: it runs no invocation, and the boxes of its instances are built on its quota."""
_SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
_FOR_A_NEW_PROCESS = ("LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Variables that the loader, the C library or the interpreter read when a process starts, by their beginnings."""


@dataclass(frozen=True)
class _Box:
    """What `_box` has made for an instance."""

    life: zygote.Life
    limits: Limits
    control: socket.socket
    output: int
    address: str


_Fork = Callable[[Mapping[str, Any], Mapping[str, int]], tuple[zygote.Life, int]]


def launch(spec: SandboxSpec) -> NamespacesSandbox:
    """Start `spec.entry` in namespaces of its own.

    Raises CapabilityMissing where this machine does not allow them, DeploymentError when a step fails otherwise.
    """
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    root = rootfs.root_fs()
    fork = functools.partial(zygote.launch, root=root, name=spec.name)
    return NamespacesSandbox(spec, _box(spec, fork), launched_ns, zygote.release)


def launch_template(spec: SandboxSpec) -> NamespacesTemplate:
    """Start a `lambda_host.py` in Python that initialises its function and is then forked for others.

    Raises what `launch` raises.
    """
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    if spec.entry != channel.LAMBDA_ENTRY or spec.language != "python":
        raise DeploymentError("Only a serverless function in Python can be started from a snapshot.")
    root = rootfs.root_fs()
    spec = replace(spec, technique=Technique.ZYGOTE)
    orders = zygote.Orders()
    try:
        fork = functools.partial(zygote.launch, root=root, name=spec.name)
        box = _box(spec, fork, {"template": orders.inside.fileno()}, _SNAP_START, _TEMPLATE_VCPUS)
        return NamespacesTemplate(spec, box, launched_ns, zygote.release, orders)
    except BaseException:
        orders.close()
        raise
    finally:
        orders.inside.close()


class NamespacesSandbox:
    """See `workbench.sandbox.Sandbox`."""

    kind = NAME

    def __init__(self, spec: SandboxSpec, box: _Box, launched_ns: int, release: Callable[[], None]) -> None:
        self.name, self.address, self.control, self.output = spec.name, box.address, box.control, box.output
        self.launched_ns = launched_ns
        self._life, self._limits, self._release = box.life, box.limits, release
        self._lock = threading.RLock()
        self._closed = False

    @property
    def enforced(self) -> frozenset[str]:
        """Limits that hold. Without a memory cgroup, `memory` is a watch that looks every 50 ms."""
        always = frozenset({"memory", "freeze", "tmp", "network", "filesystem", "pids"})
        return always | (self._limits.held & {"cpu"}) | self._filtered

    @property
    def _filtered(self) -> frozenset[str]:
        return frozenset({"seccomp"}) if seccomp.program() else frozenset()

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
            return self._life.exit_code()

    def terminate(self) -> None:
        """Ask it to take no more requests, and to end when those under way are answered; does not wait."""
        with self._lock:
            if self.exit_code() is None:
                self._limits.terminate()

    def kill(self) -> None:
        """End it and everything it started, at once: the end of its first process is the end of its namespace."""
        with self._lock:
            if self._closed and self._life.exit_code() is not None:
                return
            self._life.kill()
            self._limits.end()
            self._life.wait(zygote.PATIENCE_S)

    def close(self) -> None:
        """`kill`, then release descriptors and the cgroup; its mounts and network went with its namespaces."""
        with self._lock:
            if self._closed:
                return
            self.kill()
            self._closed = True
            self._limits.remove()
            self._life.close()
            self.control.close()
            os.close(self.output)
            keeper.forget(self.name)
            self._release()


class NamespacesTemplate(NamespacesSandbox):
    """See `workbench.sandbox.Template`; `runtimes/wb_template.py` says what it is a snapshot of, and of what not."""

    def __init__(
        self, spec: SandboxSpec, box: _Box, launched_ns: int, release: Callable[[], None], orders: zygote.Orders
    ) -> None:
        super().__init__(spec, box, launched_ns, release)
        self._spec, self._orders = spec, orders

    @property
    def _filtered(self) -> frozenset[str]:
        return frozenset()  # see `_order`

    def launch(self, spec: SandboxSpec) -> NamespacesSandbox:
        """A new instance in namespaces below this one's, gone with it; raises DeploymentError."""
        launched_ns = time.monotonic_ns()
        spec = replace(
            self._spec, name=spec.name, resources=spec.resources, environment=spec.environment, ports=spec.ports
        )
        channel.check(spec)
        fork = functools.partial(zygote.fork, self._orders, name=spec.name)
        try:
            box = _box(spec, fork, environment=_SNAP_START)
        except ConnectionError as error:
            raise DeploymentError(
                f"The template {self.name} that {spec.name} was to be forked from has ended ({error})."
            ) from error
        return NamespacesSandbox(spec, box, launched_ns, lambda: None)

    def close(self) -> None:
        """`kill`, with all that were forked from it, then release what was held."""
        with self._lock:
            if not self._closed:
                super().close()
                self._orders.close()


def _box(
    spec: SandboxSpec,
    fork: _Fork,
    given: Mapping[str, int] | None = None,
    environment: Mapping[str, str] | None = None,
    least_vcpus: float = 0.0,
) -> _Box:
    """Have the box of `spec` built by `fork`, which gets the descriptors `given` too, with `environment` added."""
    keeper.keep(spec.name)
    with contextlib.ExitStack() as undo, contextlib.ExitStack() as passed:
        undo.callback(keeper.forget, spec.name)
        ours, theirs = channel.control_pair()
        undo.callback(ours.close)
        passed.callback(theirs.close)
        output, write_end = channel.output_pipe()
        undo.callback(os.close, output)
        passed.callback(os.close, write_end)
        descriptors, address = {**(given or {}), "control": theirs.fileno(), "output": write_end}, ""
        if spec.entry == channel.HTTP_ENTRY:
            listener = channel.http_listener()
            passed.callback(listener.close)
            address = channel.address_of(listener)
            descriptors["http"] = listener.fileno()
        cgroup = cgroups.create(spec.name, spec.resources, spec.pids_limit, least_vcpus=least_vcpus)
        if cgroup is not None:
            undo.callback(cgroup.remove)
            for index, door in enumerate(cgroup.doors()):
                passed.callback(os.close, door)
                descriptors[f"group{index}"] = door
        held = cgroup.controllers if cgroup is not None else frozenset()
        order = _order(spec, environment or {}, limit_processes="pids" not in held, template="template" in descriptors)
        life, inner = fork(order, descriptors)
        undo.pop_all()
    return _Box(life, Limits(ProcessTree(inner, spec.name), cgroup, spec.resources), ours, output, address)


def _order(spec: SandboxSpec, more: Mapping[str, str], *, limit_processes: bool, template: bool) -> dict[str, Any]:
    """What the zygote is told (`wb_zygote.py`); an empty `argv` is the runtime that it has imported."""
    environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
    environment |= more
    environment["WORKBENCH_WATCHED"] = "1"  # who it is forked from sees the owner's end of the control channel close
    runs_api = spec.entry == channel.LAMBDA_ENTRY
    argv: list[str] = []
    if not (spec.technique is Technique.ZYGOTE and runs_api and spec.language == "python" and _as_forked(spec)):
        argv = languages.command(
            spec.language,
            spec.entry,
            interpreter=rootfs.interpreter(),
            runtime_dir="/var/runtime",
            memory_mb=spec.resources.memory_mb,
        )
    return {
        "binds": [[os.path.realpath(source), target] for source, target in _binds(spec).items()],
        "hostname": spec.name[:63],
        "tmp_mb": spec.resources.tmp_mb,
        "shm_mb": _SHM_MB,
        "nproc": spec.pids_limit if limit_processes else 0,  # counted by user namespace since Linux 5.14
        # A template makes the namespaces of its instances itself, so the filter is loaded in these alone.
        "filter": "" if template else seccomp.program().hex(),
        "prepare": spec.language != "python",  # a host in Python makes its own listener, and speaks for itself
        "argv": argv,
        "environment": environment,
    }


def _binds(spec: SandboxSpec) -> Mapping[Path, str]:
    """What is shown read-only inside, besides the root file system."""
    shown = {spec.code: "var/task"}
    if spec.opt is not None:
        shown[spec.opt] = "opt"
    tree = languages.tree(spec.language)
    if tree is not None:
        shown[tree] = "var/lang"
    return shown


def _as_forked(spec: SandboxSpec) -> bool:
    if channel.needs_libraries(spec):
        return False
    return not any(name.startswith(_FOR_A_NEW_PROCESS) for name in spec.environment)
