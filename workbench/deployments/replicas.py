"""A set of long-running instances kept at the wanted number: started, watched, replaced, balanced over, stopped.

Containers and VM-style processes are both this; they differ in what boxes an instance in and in how they say so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.deployments.history import History
from workbench.deployments.replica import INVOKE_PATH, Replica
from workbench.errors import DeploymentError, WorkbenchError
from workbench.faas.functions.java_code import runnable
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Target
from workbench.sandbox import Launcher
from workbench.service import Service

HEALTH_EVERY_S = 2.0
HEALTH_WITHIN_S = 2.0
UNHEALTHY_AFTER = 3
BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # before the first, second, ... restart without a healthy time between
DRAIN_S = 10.0
LAST_WORDS_WITHIN_S = 0.3


class Replicas:
    """The instances of one service on one kind of sandbox; also the whole of a container or VM-style deployment."""

    pattern: str = ""

    def __init__(self, service: Service, sandbox: str, launch: Launcher) -> None:
        self.sandbox = sandbox
        self._launch = launch
        self._service = service
        self._code = self._made_ready(service)
        self._history = History()
        self._lock = threading.RLock()
        self._replicas: list[Replica] = []
        self._crashes = 0
        self._replacing: list[threading.Thread] = []
        self._closed = False
        self._numbers = itertools.count(1)
        self._turns = itertools.count(1)
        self._prefix = f"{self.pattern}-{service.name[:20].lower()}-{uuid.uuid4().hex[:6]}"
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._watcher = threading.Thread(target=self._watch, name=f"{self._prefix}-watch", daemon=True)
        self._watcher.start()
        self._stop_checks = threading.Event()
        self._checker = threading.Thread(target=self._check_health, name=f"{self._prefix}-health", daemon=True)
        self._checker.start()

    @property
    def service(self) -> Service:
        """The service deployed now."""
        return self._service

    @property
    def endpoint(self) -> str:
        """The first ready instance's address."""
        ready = self._ready()
        return ready[0].box.address if ready else ""

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler once on the least busy instance, and wait."""
        began = time.perf_counter()
        with self._lease() as replica:
            return replica.call(payload, began, cold=False)

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Start an instance, answer from it, then stop the others."""
        began = time.perf_counter()
        fresh = self._start()
        result = fresh.call(payload, began, cold=True)
        with self._lock:
            others = [r for r in self._replicas if r is not fresh]
        self._stop(others)
        return result

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """One target for each ready instance."""
        body = json.dumps(payload).encode()
        headers = (("Content-Type", "application/json"),)
        return tuple(Target(r.box.address + INVOKE_PATH, "POST", headers, body, self.pattern) for r in self._ready())

    def scale(self, n: int) -> None:
        """Start or stop instances until `n` are ready; returns then."""
        if n < 0:
            raise DeploymentError(f"Cannot scale to {n} instances; the number must not be negative.")
        with self._lock:
            living = [r for r in self._replicas if r.wanted and not r.is_gone]
        if len(living) > n:
            self._stop(living[n:])
        missing = n - len(living)
        if missing > 0:
            with ThreadPoolExecutor(max_workers=min(missing, 8)) as threads:
                for started in [threads.submit(self._start) for _ in range(missing)]:
                    started.result()

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now, with what each has used."""
        return tuple(self._view(r) for r in list(self._replicas) if not r.is_gone)

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far."""
        return self._history.events()

    def logs(self, instance_id: str) -> str:
        """What an instance printed lately; raises DeploymentError when there is none of that name."""
        for replica in list(self._replicas):
            if replica.id == instance_id:
                return replica.tail()
        raise DeploymentError(f"There is no instance {instance_id!r} now. instances() lists those that live.")

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would; it is replaced."""
        for replica in list(self._replicas):
            if replica.id == instance_id:
                replica.box.kill()
                return
        raise DeploymentError(f"There is no instance {instance_id!r} now. instances() lists those that live.")

    def update(self, service: Service) -> None:
        """Start instances of the new version, then drain and stop the old; on failure the old ones stay."""
        old_service, old_code = self._service, self._code
        with self._lock:
            old = [r for r in self._replicas if r.wanted]
        self._code = self._made_ready(service)
        self._service = service
        fresh: list[Replica] = []
        try:
            for _ in range(max(1, len(old))):
                fresh.append(self._start())
        except WorkbenchError:
            self._service, self._code = old_service, old_code
            self._stop(fresh)
            raise
        self._stop(old)

    def _made_ready(self, service: Service) -> Path:
        """What is done once for a version, before its instances start: its code as a directory."""
        return runnable(service)

    def beside(self, service: Service) -> Self:
        """Another service on the same kind of sandbox, as a neighbour."""
        neighbour = type(self)(service, self.sandbox, self._launch)
        try:
            neighbour.scale(1)
        except BaseException:
            neighbour.close()
            raise
        return neighbour

    def close(self) -> None:
        """Stop every instance and both watching threads."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            replicas = list(self._replicas)
        self._stop_checks.set()
        self._checker.join()
        try:
            self._stop(replicas, drain_s=0.0)
        finally:
            self._end_watching()

    def _end_watching(self) -> None:
        self._wake()
        self._watcher.join()
        for replacing in self._replacing:
            replacing.join()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Starting and stopping

    def _start(self) -> Replica:
        with self._lock:
            if self._closed:
                raise DeploymentError("This deployment is closed. Deploy the service again.")
            name = f"{self._prefix}-{next(self._numbers)}"
        self._history.record(name, InstanceState.STARTING)
        try:
            replica = Replica(name, self._service, self._code, self._launch)
        except BaseException as error:
            self._history.record(name, InstanceState.FAILED, str(error))
            raise
        with self._lock:
            if self._closed:  # while the sandbox was made
                replica.close()
                self._history.record(name, InstanceState.FAILED, "the deployment was closed")
                raise DeploymentError("This deployment is closed. Deploy the service again.")
            self._replicas.append(replica)
            self._selector.register(replica.box.control, selectors.EVENT_READ, (replica, "control"))
            self._selector.register(replica.box.output, selectors.EVENT_READ, (replica, "output"))
        self._wake()
        try:
            replica.wait_ready()
        except BaseException as error:
            replica.wanted = False
            self._remove(replica, InstanceState.FAILED, str(error).splitlines()[0])
            raise
        self._history.record(name, InstanceState.IDLE, "ready")
        return replica

    def _stop(self, replicas: list[Replica], drain_s: float = DRAIN_S) -> None:
        for replica in replicas:
            replica.wanted = False  # no new request goes to it, and it is not replaced
        deadline = time.monotonic() + drain_s
        failed: list[WorkbenchError] = []
        for replica in replicas:
            while replica.outstanding and time.monotonic() < deadline:
                time.sleep(0.005)
            try:
                self._remove(replica, InstanceState.STOPPED)
            except WorkbenchError as error:  # an engine that went away: the others are to be stopped all the same
                failed.append(error)
        if failed:
            raise failed[0]

    def _remove(self, replica: Replica, end: InstanceState, detail: str = "") -> None:
        if not self._take_out(replica):
            return
        if end is InstanceState.STOPPED:
            self._history.record(replica.id, InstanceState.STOPPING)
        replica.close()
        self._history.record(replica.id, end, detail)

    def _take_out(self, replica: Replica) -> bool:
        """Take it off the list, so that it is ours to close; False when somebody else has done so."""
        with self._lock:
            if replica not in self._replicas:
                return False
            self._replicas.remove(replica)
            for source in (replica.box.control, replica.box.output):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(source)
            return True

    # Balancing

    def _ready(self) -> list[Replica]:
        with self._lock:
            return [r for r in self._replicas if r.ready and r.wanted]

    @contextlib.contextmanager
    def _lease(self) -> Iterator[Replica]:
        with self._lock:
            ready = self._ready()
            if not ready:
                raise DeploymentError(
                    f"No instance of {self._service.name} is ready. scale(1) starts one; logs() may say why."
                )
            # The least busy; among equals the one that has waited longest for its turn.
            replica = min(ready, key=lambda r: (r.outstanding, r.last_turn))
            replica.last_turn = next(self._turns)
            replica.outstanding += 1
        try:
            yield replica
        finally:
            with self._lock:
                replica.outstanding -= 1

    def _view(self, replica: Replica) -> InstanceView:
        usage = replica.box.usage()
        state = InstanceState.BUSY if replica.outstanding else self._history.state(replica.id)
        return InstanceView(
            replica.id,
            state,
            replica.box.kind,
            replica.started_s,
            replica.invocations,
            usage.cpu_s if usage else None,
            usage.peak_memory_bytes if usage else None,
        )

    # Watching: one thread reads every instance's channel and output, one asks for its health

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    def _watch(self) -> None:
        pending: dict[Replica, bytes] = {}
        while not self._closed or self._replicas:
            for key, _ in self._selector.select(timeout=1.0):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                    continue
                replica, channel = key.data
                if channel == "output":
                    self._read_output(replica)
                elif not self._read_control(replica, pending):
                    pending.pop(replica, None)
                    self._ended(replica)

    def _read_output(self, replica: Replica) -> None:
        try:
            data = os.read(replica.box.output, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            replica.append_log(data)
            return
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(replica.box.output)

    def _read_control(self, replica: Replica, pending: dict[Replica, bytes]) -> bool:
        """Take what the control channel has; False at its end."""
        try:
            data = replica.box.control.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        *lines, pending[replica] = (pending.get(replica, b"") + data).split(b"\n")
        for line in lines:
            replica.mark(json.loads(line))
        return bool(data)

    def _ended(self, replica: Replica) -> None:
        with self._lock:
            for source in (replica.box.control, replica.box.output):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(source)
        was_ready = replica.ready
        self._read_last_words(replica)
        replica.gone()
        if was_ready and replica.wanted and not self._closed:
            # Not in this thread, which the new instance needs to become ready.
            replacing = threading.Thread(target=self._replace, args=(replica,), daemon=True)
            self._replacing = [t for t in self._replacing if t.is_alive()] + [replacing]
            replacing.start()

    def _read_last_words(self, replica: Replica) -> None:
        # An engine hands the output on a little after the end of what printed it; elsewhere the end is there at once.
        with contextlib.suppress(OSError), selectors.DefaultSelector() as until_end:
            until_end.register(replica.box.output, selectors.EVENT_READ)
            while until_end.select(LAST_WORDS_WITHIN_S) and (data := os.read(replica.box.output, 65536)):
                replica.append_log(data)

    def _replace(self, replica: Replica) -> None:
        if not self._take_out(replica):
            return
        self._history.record(replica.id, InstanceState.FAILED, "ended by itself")
        try:
            self._start_after_back_off(replica)
        finally:
            replica.close()  # last: removing what is left of it takes an engine longer than starting another

    def _start_after_back_off(self, replica: Replica) -> None:
        if time.monotonic() - replica.started_s > 10:
            self._crashes = 0
        pause = BACKOFF_S[min(self._crashes, len(BACKOFF_S) - 1)]
        self._crashes += 1
        if self._stop_checks.wait(pause):
            return
        with contextlib.suppress(WorkbenchError):  # the history has the reason; the next health check may do better
            self._start()

    def _check_health(self) -> None:
        misses: dict[str, int] = {}
        while not self._stop_checks.wait(HEALTH_EVERY_S):
            for replica in self._ready():
                if replica.healthy(HEALTH_WITHIN_S):
                    misses.pop(replica.id, None)
                    continue
                misses[replica.id] = misses.get(replica.id, 0) + 1
                if misses[replica.id] >= UNHEALTHY_AFTER and replica.wanted:
                    misses.pop(replica.id)
                    replica.append_log(b"[workbench] no answer to the health check: instance replaced\n")
                    replica.box.kill()
