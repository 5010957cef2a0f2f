"""The instances of a Swarm service as this side knows them: which there are, which is least busy, one call to one.

The engine starts and ends them when it likes. So they are looked at again every so often, and before anything is said
about one that did not answer.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from workbench.deployments.history import History
from workbench.deployments.replica import INVOKE_PATH, decoded, handler_error, is_readable
from workbench.errors import DeploymentError, InvocationError, InvocationTimeout, WorkbenchError
from workbench.instance import InstanceState
from workbench.invocation import InvocationResult, Phases
from workbench.isolation.engine.docker_service import SwarmService
from workbench.isolation.engine.docker_tasks import Task, moves
from workbench.service import Service

LOOK_EVERY_S = 0.25
_ENDED = (InstanceState.STOPPED, InstanceState.FAILED)
_END_SEEN_WITHIN_S = 12.0
"""How long a broken connection may be ahead of the end of its container: that long it may take to end in good order."""


class Instance:
    """One task, with what is under way on it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.started_s = time.monotonic()
        self.invocations = self.outstanding = self.last_turn = 0
        self.was_ready = False
        self.held = False  # kept for a cold call
        self.ended = ""  # how, once it has
        self.connections: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    @property
    def id(self) -> str:
        """The task's name, and its container's."""
        return self.task.name

    @property
    def ready(self) -> bool:
        """Whether it takes requests, as far as seen."""
        return self.task.instance_state is InstanceState.IDLE and bool(self.task.address)

    def disconnect(self) -> None:
        """Close the connections that are idle."""
        with contextlib.suppress(queue.Empty):
            while True:
                self.connections.get_nowait().close()


class Unanswered(InvocationError):
    """The instance has ended without having begun this request: another may have it."""


class Instances:
    """What lives and has lived; `look` asks the engine. Safe to use from several threads."""

    def __init__(self, service: SwarmService) -> None:
        self.history = History()
        self.memory_mb = 0
        self.hold_new = False  # new ones are kept for a cold call
        self._service = service
        self._lock = threading.RLock()
        self._looking = threading.Lock()  # one look after the other, or an old one would undo a newer
        self._known: dict[str, Instance] = {}
        self._turns = itertools.count(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"{service.name}-look", daemon=True)

    def watch(self) -> None:
        """Look every LOOK_EVERY_S from now on, until `close`."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; what lived has ended."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._looking, self._lock:
            for one in self._known.values():
                self._move(one, InstanceState.STOPPED, "the service was removed")

    def look(self) -> list[Instance]:
        """Ask the engine; those that have not ended."""
        with self._looking:
            tasks = {one.name: one for one in self._service.tasks()}
            with self._lock:
                for name, task in tasks.items():
                    self._see(name, task)
                for name, one in self._known.items():
                    if name not in tasks:
                        self._move(one, InstanceState.STOPPED, "the engine has forgotten it")
                return self.living()

    def living(self) -> list[Instance]:
        """Those that had not ended when last looked at."""
        with self._lock:
            return [one for one in self._known.values() if not one.ended]

    def ready(self) -> list[Instance]:
        """Those that get requests."""
        return [one for one in self.living() if one.ready and not one.held]

    def find(self, instance_id: str) -> Instance:
        """Raises DeploymentError where none of that name has been seen."""
        with self._lock:
            if instance_id not in self._known:
                raise DeploymentError(f"There is no instance {instance_id!r} now. instances() lists those that live.")
            return self._known[instance_id]

    def failed_start(self, since: set[str]) -> Instance | None:
        """One that is not among `since` and failed without having been ready."""
        with self._lock:
            new = [one for one in self._known.values() if one.id not in since and not one.was_ready]
            return next((one for one in new if one.task.instance_state is InstanceState.FAILED), None)

    @contextlib.contextmanager
    def lease(self, service: str) -> Iterator[Instance]:
        """The least busy one; among equals the one that has waited longest. Raises DeploymentError when none is."""
        with self._lock:
            ready = self.ready()
            if not ready:
                raise DeploymentError(f"No instance of {service} is ready. scale(1) starts one; logs() may say why.")
            chosen = min(ready, key=lambda one: (one.outstanding, one.last_turn))
            chosen.last_turn = next(self._turns)
            chosen.outstanding += 1
        try:
            yield chosen
        finally:
            with self._lock:
                chosen.outstanding -= 1

    def call(self, one: Instance, service: Service, payload: Any, began: float, *, cold: bool) -> InvocationResult:
        """Send one invocation and wait; `began` in time.perf_counter seconds. Raises Unanswered too."""
        response, content = self._exchange(one, service, json.dumps(payload).encode())
        latency_ms = (time.perf_counter() - began) * 1000
        with self._lock:
            one.invocations += 1
        answer = decoded(content, one.id)
        if response.getheader("X-Amz-Function-Error"):
            raise handler_error(answer)
        if response.status != 200:
            raise InvocationError(f"Instance {one.id} answered HTTP {response.status}: {content[:500]!r}")
        handler_ms = float(response.getheader("X-Workbench-Handler-Ms") or 0)
        cold = cold and response.getheader("X-Workbench-Cold") == "1"
        return InvocationResult(answer, one.id, cold, latency_ms, Phases(handler_ms=handler_ms))

    def _exchange(self, one: Instance, service: Service, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        connection = _idle(one) or _connected(one, service.resources.timeout_s)
        sent = False
        try:
            if connection.sock is None:
                connection.connect()
            sent = True
            connection.request("POST", INVOKE_PATH, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            connection.close()
            raise InvocationTimeout(
                f"{service.name} did not answer within {service.resources.timeout_s} s. Raise timeout_s, or look at "
                "its log."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._broken(one, error, service, sent=sent) from error
        one.connections.put(connection)
        return response, content

    def _broken(self, one: Instance, error: Exception, service: Service, *, sent: bool) -> InvocationError:
        """What to tell of an instance that did not answer, once it is known what became of it."""
        if sent:
            self._wait_ended(one)
        if not sent or (one.task.answered_all and not (service.source / "Dockerfile").exists()):
            # The host that is in our images ends when it has answered what it has begun: it did not begin this.
            return Unanswered(f"Instance {one.id} was ended before it took the request.", definite=True)
        how = one.ended or "closed the connection"
        return InvocationError(
            f"Instance {one.id} {how} before it answered ({type(error).__name__}). The handler may have run."
        )

    def _wait_ended(self, one: Instance) -> None:
        began = time.monotonic()
        while not one.ended and not self._stop.is_set():
            with contextlib.suppress(WorkbenchError):
                self.look()
            waited = time.monotonic() - began
            if one.ended or waited > (_END_SEEN_WITHIN_S if one.task.told_to_end else 2.0):
                return
            time.sleep(0.05)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            with contextlib.suppress(WorkbenchError):  # an engine that does not answer: the next look tries again
                self.look()

    def _see(self, name: str, task: Task) -> None:
        one = self._known.get(name)
        if one is None:
            one = self._known[name] = Instance(task)
            one.held = self.hold_new
            self._move(one, InstanceState.STARTING, "started by the engine")
        one.task = task
        one.was_ready |= one.ready
        now = task.instance_state
        detail = ""
        if now is InstanceState.FAILED and not one.ended:
            detail = self._service.ending(task, self.memory_mb)
        self._move(one, now, detail)

    def _move(self, one: Instance, now: InstanceState, detail: str = "") -> None:
        if one.ended:
            return
        before = one_state(self.history, one.id)
        for state in moves(before, now) if before is not None else (now,):
            self.history.record(one.id, state, detail if state is now else "")
        if now in _ENDED:
            one.ended = detail if now is InstanceState.FAILED and detail else "was stopped"
            one.disconnect()


def one_state(history: History, instance_id: str) -> InstanceState | None:
    """Its state as recorded last; None when it is new."""
    try:
        return history.state(instance_id)
    except KeyError:
        return None


def _idle(one: Instance) -> http.client.HTTPConnection | None:
    while True:
        try:
            connection = one.connections.get_nowait()
        except queue.Empty:
            return None
        if connection.sock is not None and not is_readable(connection.sock):
            return connection
        connection.close()


def _connected(one: Instance, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(one.task.address)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
