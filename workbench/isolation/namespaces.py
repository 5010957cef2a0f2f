"""The namespaces sandbox: a container without an engine, made of the kernel's own parts by an unprivileged user.

Its processes, mounts, host name, network and IPC are its own; its root file system is read-only and /tmp is limited;
it has no capability and can gain none. `runtimes/wb_box.py` says how it is built, `runtimes/wb_zygote.py` from what.

An instance that is spawned has an interpreter of its own, started for it. One made by ZYGOTE goes on in a fork of the
zygote, which has the runtime imported; only `lambda_host.py` in Python has this choice, anything else is spawned, and
so is an instance whose variables mean something to a starting process only (see `_FOR_A_NEW_PROCESS`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.isolation import cgroups, channel, keeper, languages, rootfs, zygote
from workbench.isolation.limits import Limits
from workbench.isolation.tree import ProcessTree
from workbench.sandbox import SandboxSpec, Technique, Usage

NAME = "namespaces"
TECHNIQUES = frozenset({Technique.SPAWN, Technique.ZYGOTE})

UID = 64_535
"""The user that root's instances run as: one that no distribution gives to anybody."""

_SHM_MB = 64
_FOR_A_NEW_PROCESS = ("LANG", "LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_")
"""Variables that the loader, the C library or the interpreter read when a process starts, by their beginnings."""


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
        descriptors, address = {"control": theirs.fileno(), "output": write_end}, ""
        if spec.entry == channel.HTTP_ENTRY:
            listener = channel.http_listener()
            given.callback(listener.close)
            address = channel.address_of(listener)
            descriptors["listener"] = listener.fileno()
        cgroup = cgroups.create(spec.name, spec.resources, spec.pids_limit)
        if cgroup is not None:
            undo.callback(cgroup.remove)
            for index, door in enumerate(cgroup.doors()):
                given.callback(os.close, door)
                descriptors[f"group{index}"] = door
        held = cgroup.controllers if cgroup is not None else frozenset()
        order = _order(spec, root, limit_processes="pids" not in held)
        life, inner = zygote.launch(order, descriptors, root=root, name=spec.name)
        undo.pop_all()
    limits = Limits(ProcessTree(inner, spec.name), cgroup, spec.resources)
    return NamespacesSandbox(spec, life, limits, ours, output, address, launched_ns)


class NamespacesSandbox:
    """See `workbench.sandbox.Sandbox`."""

    kind = NAME

    def __init__(
        self,
        spec: SandboxSpec,
        life: zygote.Life,
        limits: Limits,
        control: socket.socket,
        output: int,
        address: str,
        launched_ns: int,
    ) -> None:
        self.name, self.address, self.control, self.output = spec.name, address, control, output
        self.launched_ns = launched_ns
        self._life, self._limits = life, limits
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
            return self._life.exit_code()

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


def _order(spec: SandboxSpec, root: Path, *, limit_processes: bool) -> dict[str, Any]:
    """What the zygote is told (`wb_zygote.py`); an empty `argv` is the runtime that it has imported."""
    environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
    environment["WORKBENCH_WATCHED"] = "1"  # the zygote sees the owner's end of the control channel close
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
        "root": os.path.realpath(root),
        "binds": [[os.path.realpath(source), target] for source, target in _binds(spec).items()],
        "uid": UID,
        "inside_uid": rootfs.INSIDE_UID,
        "hostname": spec.name[:63],
        "tmp_mb": spec.resources.tmp_mb,
        "shm_mb": _SHM_MB,
        "nproc": spec.pids_limit if limit_processes else 0,  # counted by user namespace since Linux 5.14
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
    return not any(name.startswith(_FOR_A_NEW_PROCESS) for name in spec.environment)
