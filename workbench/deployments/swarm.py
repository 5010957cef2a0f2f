"""The service as a Docker Swarm service: the engine's own orchestrator does what `fleet.py` does for other sandboxes.

How many run, whether they are healthy, restarts, rolling updates and their roll-back, limits and placement are the
engine's and are only asked for. On this side are the request's way (the least busy instance) and the waiting until the
engine has done what it was told. Where a cold start's time goes is not seen, as nothing of ours stands beside the
instance; so all phases but the handler's are None.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from workbench.deployments.images import Images
from workbench.deployments.replica import INVOKE_PATH, READY_WITHIN_S
from workbench.deployments.swarm_instances import Instance, Instances, Unanswered
from workbench.errors import DeploymentError, HandlerError, WorkbenchError
from workbench.faas.functions.java_code import runnable
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Target
from workbench.isolation import keeper
from workbench.isolation.engine import docker_build, docker_engine, docker_service
from workbench.service import Service

_TRIES = 20
_LOAD_ERROR = re.compile(r"^\[ERROR\] ([\w.]+): (.*)$", re.MULTILINE)


class SwarmDeployment:
    """A Swarm service of one or more instances."""

    pattern = "container"
    sandbox = "swarm"

    def __init__(self, service: Service) -> None:
        self.service = service
        self._closed = False
        self._images = Images()
        client = docker_engine.client(os.getpid())
        name = f"swarm-{re.sub(r'[^a-z0-9]+', '-', service.name[:20].lower()).strip('-')}-{uuid.uuid4().hex[:6]}"
        self._engine = docker_service.SwarmService(client, name)
        self._instances = Instances(self._engine)

    @classmethod
    def started(cls, service: Service) -> Self:
        """Deploy it with one instance; raises what `workbench.deployments.deploy` says."""
        deployment = cls(service)
        try:
            deployment._create()
            deployment.scale(1)
        except BaseException:
            with contextlib.suppress(WorkbenchError):  # what went wrong first is what to read
                deployment.close()
            raise
        return deployment

    @property
    def endpoint(self) -> str:
        """The first ready instance's address."""
        ready = self._instances.ready()
        return ready[0].task.address if ready else ""

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler once on the least busy instance, and wait."""
        began = time.perf_counter()
        for _ in range(_TRIES):
            self._refuse_when_closed()
            if not self._instances.ready():
                self._instances.look()
            try:
                with self._instances.lease(self.service.name) as one:
                    return self._instances.call(one, self.service, payload, began, cold=False)
            except Unanswered as error:
                last = error
                self._instances.look()
                time.sleep(0.02)
        raise last

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Have the engine replace all instances by a new one, and call that; the latency has its health check too."""
        began = time.perf_counter()
        self._refuse_when_closed()
        before = {one.id for one in self._instances.look()}
        self._instances.hold_new = True
        try:
            self._engine.renew(1)
            fresh = self._first_new(before)
            result = self._instances.call(fresh, self.service, payload, began, cold=True)
        finally:
            self._instances.hold_new = False
            for one in self._instances.living():
                one.held = False
        self._wait(lambda: self._settled(1) and not self._updating(), "replace the instances")
        return result

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """One target for each ready instance."""
        body = json.dumps(payload).encode()
        headers = (("Content-Type", "application/json"),)
        ready = self._instances.ready()
        return tuple(Target(one.task.address + INVOKE_PATH, "POST", headers, body, self.pattern) for one in ready)

    def scale(self, n: int) -> None:
        """Tell the engine to run `n` instances; returns when so many are healthy and the others have ended."""
        if n < 0:
            raise DeploymentError(f"Cannot scale to {n} instances; the number must not be negative.")
        self._refuse_when_closed()
        seen = {one.id for one in self._instances.look()}
        before = self._engine.replicas()
        self._engine.scale(n)
        try:
            self._wait(lambda: self._settled(n), f"run {n} instances", since=seen)
        except BaseException:
            with contextlib.suppress(WorkbenchError):
                self._engine.scale(min(before, n))
            raise

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now, with what each has used."""
        if not self._closed:
            self._instances.look()
        return tuple(self._view(one) for one in self._instances.living())

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state as seen from here, up to a quarter of a second after the engine made it."""
        if not self._closed:
            self._instances.look()
        return self._instances.history.events()

    def logs(self, instance_id: str) -> str:
        """The last 64 KB that an instance printed, also of those that ended as long as the engine keeps them."""
        return self._engine.log(self._instances.find(instance_id).task.container)

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would; the engine replaces it."""
        self._engine.kill(self._instances.find(instance_id).task)

    def update(self, service: Service) -> None:
        """Have the engine roll the instances over to a new version; raises when it rolled back, which it does itself.

        Raises HandlerError where the module does not load, DeploymentError where an instance did not become healthy.
        """
        self._refuse_when_closed()
        description = self._described(service)
        seen = {one.id for one in self._instances.look()}
        if not self._engine.replicas():
            self.scale(1)  # there is no roll-over, nor a way back, without one that serves
        replicas = self._engine.replicas()
        self._engine.renew(replicas, description)
        self._wait(lambda: not self._updating(started=True), "update the service", within_s=replicas * READY_WITHIN_S)
        state, message = self._engine.update_state()
        if state != "completed":
            with contextlib.suppress(DeploymentError):  # what is told is why it was rolled back
                self._wait(lambda: self._settled(replicas), "end what the update had started")
            raise self._rolled_back(seen, message or state)
        self._instances.look()  # from now on no request goes to the version before
        self.service = service
        self._instances.memory_mb = service.resources.memory_mb

    def beside(self, service: Service) -> Self:
        """Another service in the same Swarm, as a neighbour."""
        return type(self).started(service)

    def close(self) -> None:
        """Remove the service, its networks and images; leave the Swarm if it was made for it. May be called twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self._engine.remove()
            keeper.forget(self._engine.name)
        finally:
            self._instances.close()
            self._images.close()

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
            error.add_note(str(unclosed))

    def _create(self) -> None:
        description = self._described(self.service)
        keeper.keep(self._engine.name)
        self._engine.create(description)
        self._instances.memory_mb = self.service.resources.memory_mb
        self._instances.watch()

    def _described(self, service: Service) -> docker_service.Description:
        code = runnable(service)
        tag = self._images.prepare(service, code)
        environment = dict(service.environment)
        if service.health_path:
            environment["WORKBENCH_HEALTH_PATH"] = service.health_path
        return docker_service.description(docker_build.id_of(tag), service, environment, code)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise DeploymentError("This deployment is closed. Deploy the service again.")

    # Waiting for the engine

    def _settled(self, n: int) -> bool:
        living = self._instances.living()
        return len(living) == n and all(one.ready for one in living)

    def _updating(self, *, started: bool = False) -> bool:
        state, _ = self._engine.update_state()
        return state in ("updating", "rollback_started") or (started and not state)

    def _first_new(self, before: set[str]) -> Instance:
        def new() -> list[Instance]:
            return [one for one in self._instances.living() if one.id not in before and one.ready]

        self._wait(lambda: bool(new()), "start an instance", since=before)
        return new()[0]

    def _wait(
        self, done: Callable[[], bool], what: str, *, since: set[str] | None = None, within_s: float = READY_WITHIN_S
    ) -> None:
        """Look until it is done; an instance that is not in `since` and has failed ends the waiting."""
        deadline = time.monotonic() + within_s
        while True:
            self._instances.look()
            if since is not None and (failed := self._failed(since)):
                raise self._why(failed)
            if done():
                return
            if time.monotonic() > deadline:
                raise DeploymentError(
                    f"Docker Engine did not {what} of {self.service.name} in time. "
                    f"`docker service ps {self._engine.name}` says what it waits for."
                )
            time.sleep(0.05)

    # What went wrong

    def _failed(self, since: set[str]) -> Instance | None:
        """An instance that ended against our will before it was ready."""
        return self._instances.failed_start(since)

    def _why(self, failed: Instance) -> WorkbenchError:
        printed = self._engine.log(failed.task.container) if failed.task.container else ""
        told = load_error(printed)
        return told or DeploymentError(
            f"Instance {failed.id} {failed.ended} before it was ready. It last printed:\n{printed[-2000:]}"
        )

    def _rolled_back(self, since: set[str], message: str) -> WorkbenchError:
        serving = len(self._instances.ready())
        story = (
            f"The engine rolled the update of {self.service.name} back; {serving} instances of the version before serve"
        )
        failed = self._failed(since)
        why = self._why(failed) if failed is not None else DeploymentError(message)
        if isinstance(why, HandlerError):
            return HandlerError(f"{why.error_message} ({story})", why.error_type, why.stack_trace)
        return DeploymentError(f"{story}. Why: {why}")

    def _view(self, one: Instance) -> InstanceView:
        usage = self._engine.usage(one.task)
        state = one.task.instance_state
        if one.outstanding and state is InstanceState.IDLE:
            state = InstanceState.BUSY
        return InstanceView(
            one.id,
            state,
            self.sandbox,
            one.started_s,
            one.invocations,
            usage.cpu_s if usage else None,
            usage.peak_memory_bytes if usage else None,
        )


def load_error(printed: str) -> HandlerError | None:
    """The error of a module that could not be loaded, from what its host printed last; None where it printed none."""
    found = list(_LOAD_ERROR.finditer(printed))
    if not found:
        return None
    trace = printed[found[-1].end() :].lstrip("\n").splitlines(keepends=True)
    return HandlerError(found[-1][2], found[-1][1], trace)
