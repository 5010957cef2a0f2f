"""A set of long-running instances kept at the wanted number: started, watched, replaced, balanced over, stopped.

Containers and VM-style processes are both this; they differ in what boxes an instance in and in how they say so.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from workbench.deployments.health import HealthChecks
from workbench.deployments.history import History
from workbench.deployments.pool import Pool
from workbench.deployments.replica import INVOKE_PATH, Replica
from workbench.deployments.supervision import BackOff
from workbench.deployments.watching import Watcher
from workbench.errors import DeploymentError, WorkbenchError
from workbench.faas.functions.java_code import runnable
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Target
from workbench.sandbox import Launcher
from workbench.service import Service

DRAIN_S = 10.0
AT_ONCE = 8  # starts at the same time


class Replicas:
    """The instances of one service on one kind of sandbox; also the whole of a container or VM-style deployment."""

    pattern: str = ""

    def __init__(self, service: Service, sandbox: str, launch: Launcher) -> None:
        self.sandbox = sandbox
        self._launch = launch
        self._service = service
        self._code = runnable(service)
        self._history = History()
        self._pool = Pool()
        self._back_off = BackOff()
        self._restarting: list[threading.Thread] = []
        self._closed = threading.Event()
        self._numbers = itertools.count(1)
        self._prefix = f"{self.pattern}-{service.name[:20].lower()}-{uuid.uuid4().hex[:6]}"
        self._watcher = Watcher(self._prefix, self._ended)
        self._health = HealthChecks(self._prefix, self._pool.ready, self._give_up)

    @property
    def service(self) -> Service:
        """The service deployed now."""
        return self._service

    @property
    def endpoint(self) -> str:
        """The first ready instance's address."""
        ready = self._pool.ready()
        return ready[0].box.address if ready else ""

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler once on the least busy instance, and wait."""
        began = time.perf_counter()
        with self._pool.lease(self._service.name) as replica:
            return replica.call(payload, began, cold=False)

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Start an instance, answer from it, then stop the others."""
        began = time.perf_counter()
        fresh = self._start()
        result = fresh.call(payload, began, cold=True)
        self._stop([r for r in self._pool.all() if r is not fresh])
        return result

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """One target for each ready instance."""
        body = json.dumps(payload).encode()
        headers = (("Content-Type", "application/json"),)
        ready = self._pool.ready()
        return tuple(Target(r.box.address + INVOKE_PATH, "POST", headers, body, self.pattern) for r in ready)

    def scale(self, n: int) -> None:
        """Start or stop instances until `n` are ready; returns then."""
        if n < 0:
            raise DeploymentError(f"Cannot scale to {n} instances; the number must not be negative.")
        living = self._pool.living()
        if len(living) > n:
            self._stop(living[n:])
        missing = n - len(living)
        if missing > 0:
            with ThreadPoolExecutor(max_workers=min(missing, AT_ONCE)) as threads:
                for started in [threads.submit(self._start) for _ in range(missing)]:
                    started.result()

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now, with what each has used."""
        return tuple(self._view(r) for r in self._pool.all() if not r.is_gone)

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far."""
        return self._history.events()

    def logs(self, instance_id: str) -> str:
        """What an instance printed lately; raises DeploymentError when there is none of that name."""
        return self._pool.find(instance_id).tail()

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would; it is replaced."""
        self._pool.find(instance_id).box.kill()

    def update(self, service: Service) -> None:
        """Start instances of the new version, then drain and stop the old; on failure the old ones stay."""
        old_service, old_code = self._service, self._code
        old = [r for r in self._pool.all() if r.wanted]
        self._service, self._code = service, runnable(service)
        fresh: list[Replica] = []
        try:
            for _ in range(max(1, len(old))):
                fresh.append(self._start())
        except WorkbenchError:
            self._service, self._code = old_service, old_code
            self._stop(fresh)
            raise
        self._stop(old)

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
        with self._pool.lock:
            if self._closed.is_set():
                return
            self._closed.set()
            replicas = self._pool.all()
        self._health.stop()
        self._stop(replicas, drain_s=0.0)
        self._health.close()
        self._watcher.close()
        for restarting in self._restarting:
            restarting.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Starting and stopping

    def _start(self) -> Replica:
        self._refuse_when_closed()
        name = f"{self._prefix}-{next(self._numbers)}"
        self._history.record(name, InstanceState.STARTING)
        try:
            replica = Replica(name, self._service, self._code, self._launch)
        except BaseException as error:
            self._history.record(name, InstanceState.FAILED, str(error))
            raise
        with self._pool.lock:
            closed = self._closed.is_set()  # while the sandbox was made
            if not closed:
                self._pool.add(replica)
                self._watcher.add(replica)
        if closed:
            replica.close()
            self._history.record(name, InstanceState.FAILED, "the deployment was closed")
            self._refuse_when_closed()
        try:
            replica.wait_ready()
        except BaseException as error:
            replica.wanted = False
            self._remove(replica, InstanceState.FAILED, str(error).splitlines()[0])
            raise
        self._history.record(name, InstanceState.IDLE, "ready")
        return replica

    def _refuse_when_closed(self) -> None:
        if self._closed.is_set():
            raise DeploymentError("This deployment is closed. Deploy the service again.")

    def _stop(self, replicas: list[Replica], drain_s: float = DRAIN_S) -> None:
        for replica in replicas:
            replica.wanted = False  # no new request goes to it, and it is not replaced
        deadline = time.monotonic() + drain_s
        for replica in replicas:
            while replica.outstanding and time.monotonic() < deadline:
                time.sleep(0.005)
            self._remove(replica, InstanceState.STOPPED)

    def _remove(self, replica: Replica, end: InstanceState, detail: str = "") -> None:
        if not self._pool.take_out(replica):
            return
        self._watcher.remove(replica)
        if end is InstanceState.STOPPED:
            self._history.record(replica.id, InstanceState.STOPPING)
        replica.close()
        self._history.record(replica.id, end, detail)

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

    # What happens to instances

    def _give_up(self, replica: Replica) -> None:
        replica.append_log(b"[workbench] no answer to the health check: instance replaced\n")
        replica.box.kill()

    def _ended(self, replica: Replica) -> None:
        was_ready = replica.ready
        replica.gone()
        if was_ready and replica.wanted and not self._closed.is_set():
            # Not in the watcher's thread, which the new instance needs to become ready.
            restarting = threading.Thread(target=self._restart, args=(replica,), daemon=True)
            self._restarting = [t for t in self._restarting if t.is_alive()] + [restarting]
            restarting.start()

    def _restart(self, replica: Replica) -> None:
        if not self._pool.take_out(replica):
            return
        self._history.record(replica.id, InstanceState.FAILED, "ended by itself")
        try:
            if not self._closed.wait(self._back_off.pause_s(time.monotonic() - replica.started_s)):
                with contextlib.suppress(WorkbenchError):  # the history has the reason
                    self._start()
        finally:
            replica.close()  # last: removing what is left of it takes an engine longer than starting another
