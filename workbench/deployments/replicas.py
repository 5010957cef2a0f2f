"""A set of long-running instances as a deployment: what container and VM-style deployments have in common.

They differ in what boxes an instance in and in how they say so. `fleet.py` keeps the instances.
"""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workbench.deployments import outbound
from workbench.deployments.autoscaler import Autoscaler
from workbench.deployments.fleet import Fleet
from workbench.deployments.hpa import Rules
from workbench.deployments.replica import INVOKE_PATH, READY_WITHIN_S, Hypervised, Replica, Version
from workbench.deployments.rollout import Pace
from workbench.deployments.supervision import Supervision
from workbench.errors import DeploymentError, HandlerError, WorkbenchError
from workbench.faas.functions.java_code import runnable
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Target
from workbench.sandbox import Launcher
from workbench.service import Service

MOST_AT_ONCE = 64
"""The highest concurrency that can be set: each request under way is a thread of the instance."""


class Replicas:
    """The instances of one service on one kind of sandbox; also the whole of a container or VM-style deployment."""

    pattern: str = ""

    def __init__(self, service: Service, sandbox: str, launch: Launcher, concurrency: int | None = None) -> None:
        self.sandbox = sandbox
        self.concurrency = _checked(concurrency, service)
        self._launch = launch
        name = f"{self.pattern}-{service.name[:20].lower()}-{uuid.uuid4().hex[:6]}"
        self._fleet = Fleet(name, self._version(service), launch)
        self._autoscalers: list[Autoscaler] = []

    @property
    def service(self) -> Service:
        """The service deployed now."""
        return self._fleet.version.service

    @property
    def endpoint(self) -> str:
        """The first ready instance's address."""
        ready = self._fleet.pool.ready()
        return ready[0].box.address if ready else ""

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler once on the least busy instance, and wait."""
        began = time.perf_counter()
        with self._fleet.pool.lease(self.service.name) as replica:
            return replica.call(payload, began, cold=False)

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Start an instance, answer from it, then stop the others."""
        began = time.perf_counter()
        pool, fresh = self._fleet.pool, self._fleet.start_beyond()
        try:
            with pool.held(fresh):
                result = fresh.call(payload, began, cold=True)
        except BaseException:
            self._fleet.stop([fresh], "its first call failed", drain_s=0.0)
            raise
        with pool.lock:
            pool.wanted = 1
            others = [r for r in pool.living() if r is not fresh]
        self._fleet.stop(others, "replaced by a new one")
        return result

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """One target for each ready instance."""
        body = json.dumps(payload).encode()
        headers = (("Content-Type", "application/json"),)
        ready = self._fleet.pool.ready()
        return tuple(Target(r.box.address + INVOKE_PATH, "POST", headers, body, self.pattern) for r in ready)

    def scale(self, n: int) -> None:
        """Start or stop instances until `n` are ready; returns then. Those that go answer first what they have."""
        if n < 0:
            raise DeploymentError(f"Cannot scale to {n} instances; the number must not be negative.")
        self._fleet.scale(n)

    def autoscaled(
        self, rules: Rules | None = None, *, metric: str = "cpu", every_s: float | None = None
    ) -> Autoscaler:
        """Scale by the formula of Kubernetes' Horizontal Pod Autoscaler while the context manager returned is open.

        `metric` is `cpu` (share of the CPU that each instance is given) or `requests` (in flight per instance);
        `every_s` shortens the sync period of 15 s for a lab. Raises DeploymentError for a metric that is none.
        """
        autoscaler = Autoscaler(self, rules, metric=metric, every_s=every_s)
        self._autoscalers = [a for a in self._autoscalers if not a.ended] + [autoscaler]
        return autoscaler

    def in_flight_s(self) -> float:
        """Requests in flight summed over time (request-seconds), as `autoscaled` reads them."""
        return self._fleet.pool.in_flight_s()

    def supervision(self) -> Supervision:
        """How many instances ended against our will, how many were restarted, which survived, and since when."""
        return self._fleet.supervision()

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now, with what each has used."""
        return tuple(self._view(r) for r in self._fleet.pool.all() if not r.is_gone)

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far (of the latest 50,000)."""
        return self._fleet.history.events()

    def logs(self, instance_id: str) -> str:
        """The last 64 KB that an instance printed, also of the last 20 that ended; DeploymentError for others."""
        log = self._fleet.logs.find(instance_id)
        if log is None:
            raise DeploymentError(f"There is no instance {instance_id!r} now. instances() lists those that live.")
        return log.tail().decode("utf-8", "replace")

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would; it is replaced."""
        self._fleet.pool.find(instance_id).box.kill()

    def update(
        self, service: Service, *, surge: int = 1, unavailable: int = 0, within_s: float = READY_WITHIN_S
    ) -> None:
        """Replace the instances by those of a new version, a few at a time: a rolling update.

        There are never more than `surge` instances above the wanted number nor more than `unavailable` below it (in
        Kubernetes `maxSurge` and `maxUnavailable`). Each new one must be ready and healthy within `within_s` seconds
        before an old one is drained. When one is not, the new ones are removed, the old number of old ones serves
        again, and the error (HandlerError where the module does not load, else DeploymentError) says so and why.
        """
        version = self._version(service)
        try:
            self._fleet.update(version, Pace(surge, unavailable), within_s)
        except WorkbenchError as error:
            if self._fleet.closed:
                raise
            raise _rolled_back(error, self.service.name, len(self._fleet.pool.ready())) from error

    def _version(self, service: Service) -> Version:
        return Version(
            service,
            self._made_ready(service),
            _checked(self.concurrency, service),
            outbound.to_pass_on(service, self.sandbox),
        )

    def _made_ready(self, service: Service) -> Path:
        """What is done once for a version, before its instances start: its code as a directory."""
        return runnable(service)

    def beside(self, service: Service) -> Self:
        """Another service on the same kind of sandbox, as a neighbour."""
        neighbour = type(self)(service, self.sandbox, self._launch, self.concurrency)
        try:
            neighbour.scale(1)
        except BaseException:
            neighbour.close()
            raise
        return neighbour

    def close(self) -> None:
        """Stop everything; afterwards raises DeploymentError for what an engine could not be asked to end."""
        for autoscaler in self._autoscalers:
            autoscaler.stop()
        try:
            self._fleet.close()
        finally:
            for autoscaler in self._autoscalers:
                autoscaler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except WorkbenchError as unclosed:
            if error is None:
                raise
            error.add_note(str(unclosed))  # what went wrong first is what to read first

    def _view(self, replica: Replica) -> InstanceView:
        usage = replica.box.usage()
        state = self._fleet.history.state(replica.id)
        if replica.outstanding and state is InstanceState.IDLE:
            state = InstanceState.BUSY
        return InstanceView(
            replica.id,
            state,
            replica.box.kind,
            replica.started_s,
            replica.invocations,
            usage.cpu_s if usage else None,
            usage.peak_memory_bytes if usage else None,
            replica.box.overhead_bytes() if isinstance(replica.box, Hypervised) else None,
        )


def _checked(concurrency: int | None, service: Service) -> int | None:
    """`concurrency` itself; raises DeploymentError where no instance of this service could keep to it."""
    if concurrency is None:
        return None
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= MOST_AT_ONCE:
        raise DeploymentError(
            f"An instance cannot handle {concurrency!r} requests at a time; choose a whole number from 1 to "
            f"{MOST_AT_ONCE}, or leave it out for as many as come."
        )
    if not service.runtime.startswith("python"):
        raise DeploymentError(
            f"How many requests an instance of {service.runtime} handles at a time cannot be set here yet: its host "
            "has no line to wait in. Leave concurrency out, or deploy a Python service."
        )
    return concurrency


def _rolled_back(error: WorkbenchError, name: str, serving: int) -> WorkbenchError:
    story = f"The update of {name} was rolled back; {serving} instances of the version before serve"
    if isinstance(error, HandlerError):
        return HandlerError(f"{error.error_message} ({story})", error.error_type, error.stack_trace)
    return DeploymentError(f"{story}. Why: {error}")
