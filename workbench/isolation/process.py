"""The process sandbox: a process of its own session. It bounds memory and takes the CPU away; it hides nothing.

It works everywhere, also in a container without privileges, and is what the others are compared with.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import DeploymentError
from workbench.isolation import cgroups, channel, keeper, languages
from workbench.isolation.limits import Limits
from workbench.isolation.rootfs import runtime_dir
from workbench.isolation.tree import ProcessTree
from workbench.sandbox import SandboxSpec, Usage
from workbench.session import session_dir

NAME = "process"


@contextlib.contextmanager
def hold() -> Iterator[None]:
    """Make the runtime directory now, so that no instance's cold start waits for it."""
    runtime_dir()
    yield


def launch(spec: SandboxSpec) -> ProcessSandbox:
    """Start `spec.entry` as a process of this machine; raises DeploymentError when that fails."""
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    runtime, language = runtime_dir(), str(languages.tree(spec.language) or languages.INSIDE)
    keeper.keep(spec.name)
    with contextlib.ExitStack() as undo:
        undo.callback(keeper.forget, spec.name)
        home = Path(tempfile.mkdtemp(dir=session_dir(), prefix=f"{spec.name}."))
        undo.callback(shutil.rmtree, home, ignore_errors=True)
        ours, theirs = channel.control_pair()
        undo.callback(ours.close)
        output, write_end = channel.output_pipe()
        undo.callback(os.close, output)
        environment = channel.environment(
            spec,
            task_root=str(spec.code),
            runtime_dir=str(runtime),
            home=str(home),
            lang_dir=language,
            opt_dir=str(spec.opt or "/opt"),
        )
        environment["WORKBENCH_CONTROL_FD"] = str(theirs.fileno())
        inherited, address, listener = [theirs.fileno()], "", None
        if spec.entry == channel.HTTP_ENTRY:
            listener = channel.http_listener()
            address = channel.address_of(listener)
            environment["WORKBENCH_LISTEN_FD"] = str(listener.fileno())
            inherited.append(listener.fileno())
        cgroup = cgroups.create(spec.name, spec.resources, spec.pids_limit)
        if cgroup is not None:
            undo.callback(cgroup.remove)
        try:
            process = subprocess.Popen(
                languages.prepared(
                    spec, interpreter=channel.interpreter(), runtime_dir=str(runtime), lang_dir=language
                ),
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                cwd=spec.code,
                env=environment,
                pass_fds=inherited,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise DeploymentError(f"The process of instance {spec.name} could not be started: {error}.") from error
        finally:
            theirs.close()
            os.close(write_end)
            if listener is not None:  # the instance's alone, so that connections are refused once it is gone
                listener.close()
        if cgroup is not None:
            cgroup.add(process.pid)
        undo.pop_all()
    return ProcessSandbox(spec, process, cgroup, ours, output, address, home, launched_ns)


class ProcessSandbox:
    """See `workbench.sandbox.Sandbox`. Its limits hold by cgroup where one can be made, else memory by a watch."""

    kind = NAME

    def __init__(
        self,
        spec: SandboxSpec,
        process: subprocess.Popen[bytes],
        cgroup: cgroups.Cgroup | None,
        control: socket.socket,
        output: int,
        address: str,
        home: Path,
        launched_ns: int,
    ) -> None:
        self.name, self.address, self.control, self.output = spec.name, address, control, output
        self.launched_ns = launched_ns
        self._process, self._home = process, home
        self._tree = ProcessTree(process.pid, spec.name)
        self._limits = Limits(self._tree, cgroup, spec.resources)
        self._lock = threading.RLock()
        self._closed = False

    @property
    def enforced(self) -> frozenset[str]:
        """Limits that hold. Without a memory cgroup, `memory` is a watch that looks every 50 ms."""
        return frozenset({"memory", "freeze"}) | (self._limits.held & {"cpu", "pids"})

    def freeze(self) -> None:
        """Take its CPU away until `thaw`."""
        with self._lock:
            if self.exit_code() is None:
                self._limits.freeze()

    def thaw(self) -> None:
        """Let it run again."""
        with self._lock:
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
            if self._process.returncode is not None or not hasattr(os, "waitid"):
                return self._process.poll()
            # Looked at but not waited for: until `kill`, the number of the process must not become another's.
            try:
                ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:  # somebody else in this process waited for it
                return self._process.poll()
            if ended is None:
                return None
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def terminate(self) -> None:
        """Ask it to take no more requests, and to end when those under way are answered; does not wait."""
        with self._lock:
            if self.exit_code() is None:
                self._limits.terminate()

    def kill(self) -> None:
        """End it and everything it started, at once."""
        with self._lock:
            if self._process.returncode is not None:
                return
            self._limits.end()
            self._tree.kill()
            self._process.wait()

    def close(self) -> None:
        """`kill`, then release descriptors, the cgroup and the private directory."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.kill()
            self._limits.remove()
            self.control.close()
            os.close(self.output)
            shutil.rmtree(self._home, ignore_errors=True)
            keeper.forget(self.name)
