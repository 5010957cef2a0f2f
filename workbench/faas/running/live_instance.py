"""The I/O of one instance: its sandbox, control channel, Runtime API and output.

What blocks (launching, freezing, closing) runs in threads, one step after another for each instance, so that a thaw
never overtakes a freeze and a close never the launch. The file is longer than others because each of these steps reads
and changes the same few fields.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import pairwise
from typing import Any

from workbench.faas.functions.function import Function
from workbench.faas.messages import Cause, Gone, InitFailed, Polled, SandboxMade
from workbench.faas.running.ending import how_it_ended
from workbench.faas.running.host import Code, Host
from workbench.faas.running.logs import InstanceLog
from workbench.faas.running.runtime_api import RuntimeApi, Work
from workbench.faas.running.timer import Timer
from workbench.sandbox import Sandbox, SandboxSpec, Technique, Template, Usage

_DEAR = frozenset({"docker"})
"""Sandboxes whose usage is read from an engine, in a thread; that of others is read from the kernel's files at once."""

_MAX_CONTROL_LINE = 1 << 20


_Step = tuple[Executor | None, Callable[[], Any], Callable[[], None] | None]


class LiveInstance:
    """One instance from its launch until everything it held is released."""

    def __init__(
        self, name: str, function: Function, code: Code, technique: Technique, host: Host, *, provisioned: bool = False
    ) -> None:
        self.name = name
        self.function = function
        self.technique = technique
        self.provisioned = provisioned
        self.log = InstanceLog()
        self.started_s = time.monotonic()
        self.served = 0
        self.sandbox: Sandbox | None = None
        self.usage: Usage | None = None
        self.init_error = b""
        self.marks: dict[str, int] = {}
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._api = RuntimeApi(self)
        self._steps: deque[_Step] = deque()
        self._template: Template | None = None
        self._stepping = False
        self._watching = False
        self._stopping = False
        self._gone = asyncio.Event()
        self._measuring = False
        self._measured_s = 0.0
        self._control_buffer = bytearray()
        self._descriptors: deque[int] = deque()  # came in, and wait for the mark that says what they are
        self._serving: list[asyncio.Task[None]] = []
        self._timer = Timer(self._loop)
        self._spec = SandboxSpec(
            name,
            "lambda_host.py",
            str(function.settings["Handler"]),
            code.task,
            function.resources,
            {
                **function.environment,
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_VERSION": function.number,
                "AWS_LAMBDA_INITIALIZATION_TYPE": self._initialization_type(),
                "AWS_REGION": function.region,
                **host.gateway.environment(function, name),
            },
            host.pids_limit,
            language=function.language,
            opt=code.opt,
            ports=host.gateway.ports(function),
            technique=Technique.SPAWN if technique is Technique.SPAWN else Technique.ZYGOTE,
        )

    def _initialization_type(self) -> str:
        if self.technique is Technique.SNAPSHOT:
            return "snap-start"
        return "provisioned-concurrency" if self.provisioned else "on-demand"

    # ---- commands ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Launch the sandbox."""
        if self.technique is Technique.SNAPSHOT and self._host.template is not None:
            self._do(None, self._find_template)
        self._do(self._host.starters, self._launch, self._launched)

    def give(self, work: Work) -> None:
        """Hand out one invocation."""
        self._api.give(work)

    def freeze(self) -> None:
        """Take its CPU away."""
        self._do(self._host.cleaners, self._freeze)

    def thaw(self) -> None:
        """Give it back."""
        self._do(self._host.starters, self._thaw)

    def stop(self) -> None:
        """End it and release everything, then say Gone."""
        if not self._stopping:
            self._unwatch()
            if self.sandbox is not None and self.sandbox.kind not in _DEAR:
                self.measure()
            self._stopping = True
            self._do(self._host.cleaners, self._close, self._closed)

    async def crash(self) -> None:
        """Kill it as if it had died by itself; returns when it is dead and the scheduler has been told."""
        self._do(self._host.cleaners, self._kill)
        await self._gone.wait()

    def wake_at(self, when: float | None) -> None:
        """Say TimerFired at `when` on the monotonic clock, in place of an earlier wish."""
        self._timer.set(when, self.name, self._host.tell)

    def _do(self, pool: Executor | None, step: Callable[[], Any], then: Callable[[], None] | None = None) -> None:
        """Do `step` in a thread of `pool`, or await it where there is none, after the steps before it."""
        self._steps.append((pool, step, then))
        if not self._stepping:
            self._stepping = True
            self._loop.create_task(self._run_steps())

    async def _run_steps(self) -> None:
        while self._steps:
            pool, step, then = self._steps.popleft()
            try:
                if pool is None:
                    await step()
                else:
                    await self._loop.run_in_executor(pool, step)
            except Exception as error:  # whatever a back end raises ends this instance, not the platform
                if self._stopping:
                    print(f"instance {self.name}: {error}", file=sys.stderr, flush=True)
                else:
                    self._end(Cause.LAUNCH if self.sandbox is None else Cause.EXIT, str(error))
                    continue
            if then is not None:
                then()
        self._stepping = False

    # ---- its life ----------------------------------------------------------------------------------------------------

    async def _find_template(self) -> None:
        assert self._host.template is not None
        self._template = await self._host.template(self.function)

    def _launch(self) -> None:
        if not self._stopping:
            launch = self._host.launch if self._template is None else self._template.launch
            self.sandbox = launch(self._spec)

    def _launched(self) -> None:
        if self.sandbox is None or self._stopping:
            return
        self.sandbox.control.setblocking(False)
        self._watching = True
        self._loop.add_reader(self.sandbox.control.fileno(), self._read_control)
        self._loop.add_reader(self.sandbox.output, self.read_output)
        self.measure()

    def _unwatch(self) -> None:
        if self._watching and self.sandbox is not None:
            self.read_output()
            if self._watching:
                self._watching = False
                self._loop.remove_reader(self.sandbox.control.fileno())
                self._loop.remove_reader(self.sandbox.output)

    def _ended(self) -> None:
        """The control channel was closed from inside: find out how it ended."""
        if self._stopping or not self._watching or self.sandbox is None:
            return
        self._loop.remove_reader(self.sandbox.control.fileno())
        self._watching = False
        # Its last words stay readable: what a process wrote before it died is still in the pipe.
        self._loop.remove_reader(self.sandbox.output)
        sandbox = self.sandbox
        how: list[str] = []

        def find_out() -> None:
            how.append(how_it_ended(sandbox))
            self.usage = sandbox.usage() or self.usage

        self._do(self._host.cleaners, find_out, lambda: self._end(Cause.EXIT, how[0]))

    def _end(self, cause: Cause, detail: str) -> None:
        self.read_output()
        self._say_gone(cause, detail)
        self.stop()

    def _freeze(self) -> None:
        if self.sandbox is not None:
            self.sandbox.freeze()

    def _thaw(self) -> None:
        if self.sandbox is not None:
            self.sandbox.thaw()

    def _kill(self) -> None:
        if self.sandbox is not None:
            self.sandbox.kill()

    def _close(self) -> None:
        if self.sandbox is not None:
            self.sandbox.close()

    def _closed(self) -> None:
        self._timer.cancel()
        self._api.close()
        for task in self._serving:
            task.cancel()
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._host.gateway.forget(self.name)
        self._say_gone(Cause.EXIT, "")
        self._host.closed(self.name)

    def _say_gone(self, cause: Cause, detail: str) -> None:
        if not self._gone.is_set():
            self._gone.set()
            self._host.tell(Gone(time.monotonic(), self.name, cause, detail, self._api.undelivered))

    # ---- what it says on the control channel and on its output -------------------------------------------------------

    def _read_control(self) -> None:
        if not self._watching or self.sandbox is None:
            return
        try:
            data, descriptors, _, _ = socket.recv_fds(self.sandbox.control, 65536, 4)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors = b"", []
        self._descriptors.extend(descriptors)
        if not data or len(self._control_buffer) > _MAX_CONTROL_LINE:
            self._ended()
            return
        self._control_buffer += data
        *lines, rest = self._control_buffer.split(b"\n")
        self._control_buffer = bytearray(rest)
        for line in lines:
            self._mark(bytes(line))

    def _mark(self, line: bytes) -> None:
        now = time.monotonic_ns()
        try:
            message = json.loads(line)
            name, at_ns = str(message["mark"]), int(message["at_ns"])
        except (ValueError, KeyError, TypeError):
            return  # the service wrote to a descriptor that is not its own; nothing depends on it
        if self.sandbox is None:
            return
        if name in ("sandbox_ready", "listener") and self._descriptors:
            self._serve(name, message, socket.socket(fileno=self._descriptors.popleft()))
        if name in self.marks:
            return
        self.marks[name] = min(max(at_ns, self.sandbox.launched_ns), now)
        if name == "sandbox_ready":
            self._host.tell(SandboxMade(now / 1e9, self.name))
        elif name == "snapshot_ready":
            self._host.snapshotted()

    def _serve(self, mark: str, message: dict[str, Any], listener: socket.socket) -> None:
        if mark == "sandbox_ready" and not self._serving:
            service = self._api.serve(listener)
        elif mark == "listener" and message.get("port") in self._spec.ports and len(self._serving) < 32:
            service = self._host.gateway.serve(self.function, self.name, message["port"], listener)
        else:
            listener.close()
            return
        self._serving.append(self._loop.create_task(service))

    def read_output(self) -> None:
        """Take in what it printed so far."""
        if self.sandbox is None or self._stopping:
            return  # its descriptor may be closed, and its number another's
        try:
            while chunk := os.read(self.sandbox.output, 65536):
                self.log.write(chunk)
                if len(chunk) < 65536:
                    return
        except BlockingIOError:
            return
        except OSError:
            pass
        if self._watching:  # end of file: only the control channel says when it is gone
            self._loop.remove_reader(self.sandbox.output)

    # ---- what it says on its Runtime API (runtime_api.Owner) ---------------------------------------------------------

    def polled(self) -> None:
        if "first_next" not in self.marks:
            self.marks["first_next"] = time.monotonic_ns()
            self._read_control()  # the marks before it may still wait to be read
        self._host.tell(Polled(time.monotonic(), self.name))

    def answered(self, request: str, body: bytes, *, error_type: str | None, streamed: bool = False) -> None:
        self.served += 1
        self._host.answered(self.name, request, body, error_type, streamed)

    def init_failed(self, body: bytes) -> None:
        if "first_next" in self.marks or self.init_error:
            return
        self.init_error = body or b"{}"
        self._read_control()
        self.read_output()
        self._host.tell(InitFailed(time.monotonic(), self.name))

    # ---- what it used ------------------------------------------------------------------------------------------------

    def measure(self, *, since_s: float = 0.0) -> None:
        """Refresh `usage`, unless that was done within `since_s`: now where that is cheap, else soon."""
        now = time.monotonic()
        if self.sandbox is None or self._stopping or now < self._measured_s + since_s:
            return
        self._measured_s = now
        if self.sandbox.kind not in _DEAR:
            self.usage = self.sandbox.usage() or self.usage
        elif not self._measuring:
            self._measuring = True
            self._loop.create_task(self._measure_apart(self.sandbox))

    async def measured(self) -> None:
        """Refresh `usage` and wait until that is done."""
        if self.sandbox is None or self._stopping:
            return
        if self.sandbox.kind not in _DEAR or self._measuring:
            self.measure()
        else:
            self._measuring, self._measured_s = True, time.monotonic()
            await self._measure_apart(self.sandbox)

    async def _measure_apart(self, sandbox: Sandbox) -> None:
        try:
            self.usage = await self._loop.run_in_executor(self._host.cleaners, sandbox.usage) or self.usage
        except Exception:  # it ended meanwhile: what was seen last stands
            pass
        finally:
            self._measuring = False

    @property
    def max_memory_mb(self) -> int:
        """Peak memory in MB (2**20 bytes), 0 where this machine cannot tell."""
        return -(-self.usage.peak_memory_bytes // 2**20) if self.usage is not None else 0

    def phases(self) -> dict[str, float | None]:
        """Milliseconds of the phases before the handler (see `workbench.invocation.Phases`)."""
        marks = [self.sandbox.launched_ns if self.sandbox else None]
        marks += [self.marks.get(name) for name in ("sandbox_ready", "runtime_ready", "first_next")]
        spans = [round((b - a) / 1e6, 3) if a is not None and b is not None else None for a, b in pairwise(marks)]
        return dict(zip(("sandbox_ms", "runtime_init_ms", "function_init_ms"), spans, strict=True))

    def init_ms(self) -> float:
        """AWS's Init Duration: from the instance's first instruction until it asked for work, or until now."""
        began = self.marks.get("sandbox_ready")
        return 0.0 if began is None else (self.marks.get("first_next", time.monotonic_ns()) - began) / 1e6
