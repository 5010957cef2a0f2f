"""A deployment without any isolation: the handler is called in a thread of this process.

For tests and for a first look at the flow where nothing else runs. What it measures is the cost of a Python call and
an import, and every label says `fake`.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

from workbench.deployments.history import History
from workbench.errors import DeploymentError, HandlerError, InvocationTimeout
from workbench.instance import InstanceEvent, InstanceState, InstanceView
from workbench.invocation import InvocationResult, Phases, Target
from workbench.package import package, unpacked
from workbench.service import Service

_numbers = itertools.count(1)


def deploy(service: Service, sandbox: str = "auto") -> FakeDeployment:
    """Load the service into this process; raises HandlerError when its module does not load."""
    if sandbox not in ("auto", "fake"):
        raise DeploymentError(f"The fake deployment has no sandbox {sandbox!r}; leave the sandbox out.")
    deployment = FakeDeployment(service)
    deployment.scale(1)
    return deployment


class _Instance:
    """One freshly imported copy of the service's module."""

    def __init__(self, service: Service, code: Path) -> None:
        self.number = next(_numbers)
        self.id = f"fake-{self.number}"
        self.started_s = time.monotonic()
        self.invocations = 0
        self.handler, self.init_ms = _load(service, code, self.id)


def _load(service: Service, code: Path, instance_id: str) -> tuple[Callable[[Any, Any], Any], float]:
    module_name, _, function = service.handler.rpartition(".")
    path = code / f"{module_name.replace('.', '/')}.py"
    began = time.perf_counter()
    spec = importlib.util.spec_from_file_location(f"_workbench_{instance_id.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise DeploymentError(f"{path} cannot be loaded as a Python module.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(code))
    try:
        spec.loader.exec_module(module)
        handler = getattr(module, function)
    except Exception as error:
        raise _handler_error(error, code) from error
    finally:
        sys.path.remove(str(code))
    return handler, (time.perf_counter() - began) * 1000


def _handler_error(error: BaseException, code: Path) -> HandlerError:
    own = [line for line in traceback.format_tb(error.__traceback__) if str(code) in line]
    return HandlerError(str(error), type(error).__name__, own)


class FakeDeployment:
    """The handler in threads of this process."""

    pattern = "fake"
    sandbox = "fake"
    endpoint = "in this process"

    def __init__(self, service: Service) -> None:
        if not service.runtime.startswith("python"):
            raise DeploymentError(f"The fake deployment is this Python process; it cannot run {service.runtime}.")
        self.service = service
        self._code = unpacked(package(service))
        self._history = History()
        self._instances: list[_Instance] = []
        self._turn = itertools.count()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(thread_name_prefix="fake-deployment")
        self._closed = False

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler in a thread; JSON in and out, as every deployment does it."""
        with self._lock:
            if self._closed or not self._instances:
                raise DeploymentError("This deployment is closed or scaled to zero. Deploy the service again.")
            instance = self._instances[next(self._turn) % len(self._instances)]
        return self._call(instance, payload, time.perf_counter(), cold=instance.invocations == 0)

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Import the module anew and answer from the new copy."""
        began = time.perf_counter()
        instance = self._start()
        with self._lock:
            old, self._instances = self._instances, [instance]
        result = self._call(instance, payload, began, cold=True)
        self._stop(old)
        return result

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """None: there is no address to send load to."""
        raise DeploymentError('The fake deployment takes no load. Deploy as "vm", "container" or "serverless".')

    def scale(self, n: int) -> None:
        """Hold `n` copies of the module."""
        while len(self._instances) < n:
            self._instances.append(self._start())
        with self._lock:
            self._instances, surplus = self._instances[:n], self._instances[n:]
        self._stop(surplus)

    def instances(self) -> tuple[InstanceView, ...]:
        """The copies of the module."""
        return tuple(
            InstanceView(i.id, self._history.state(i.id), self.sandbox, i.started_s, i.invocations)
            for i in self._instances
        )

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far."""
        return self._history.events()

    def logs(self, instance_id: str) -> str:
        """Nothing: what the handler prints goes to this process's own output."""
        return ""

    def kill_instance(self, instance_id: str) -> None:
        """Drop a copy and load another, as a supervisor would."""
        with self._lock:
            gone = [i for i in self._instances if i.id == instance_id]
            self._instances = [i for i in self._instances if i.id != instance_id]
        for instance in gone:
            self._history.record(instance.id, InstanceState.FAILED, "killed")
            self._instances.append(self._start())

    def update(self, service: Service) -> None:
        """Load the new version, then let go of the old."""
        fresh = FakeDeployment(service)
        number = max(1, len(self._instances))
        self.service, self._code = service, fresh._code
        replacements = [self._start() for _ in range(number)]
        with self._lock:
            old, self._instances = self._instances, replacements
        self._stop(old)
        fresh.close()

    def beside(self, service: Service) -> Self:
        """Another service in this process."""
        neighbour = type(self)(service)
        neighbour.scale(1)
        return neighbour

    def close(self) -> None:
        """Let go of every copy."""
        with self._lock:
            self._closed = True
            old, self._instances = self._instances, []
        self._stop(old)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> _Instance:
        instance = _Instance(self.service, self._code)
        self._history.record(instance.id, InstanceState.STARTING)
        self._history.record(instance.id, InstanceState.IDLE)
        return instance

    def _stop(self, instances: list[_Instance]) -> None:
        for instance in instances:
            self._history.record(instance.id, InstanceState.STOPPING)
            self._history.record(instance.id, InstanceState.STOPPED)

    def _call(self, instance: _Instance, payload: Any, began: float, *, cold: bool) -> InvocationResult:
        event = json.loads(json.dumps(payload))
        context = SimpleNamespace(
            function_name=self.service.name,
            aws_request_id=f"{instance.id}-{instance.invocations}",
            memory_limit_in_mb=str(self.service.resources.memory_mb),
        )
        instance.invocations += 1
        handler_began = time.perf_counter()
        limit = self.service.resources.timeout_s
        try:
            answer = json.loads(json.dumps(self._threads.submit(instance.handler, event, context).result(limit)))
        except FutureTimeout as error:
            raise InvocationTimeout(f"The handler did not answer within {limit} s.") from error
        except Exception as error:
            raise _handler_error(error, self._code) from error
        ended = time.perf_counter()
        phases = Phases(0.0, 0.0, instance.init_ms if cold else None, (ended - handler_began) * 1000)
        return InvocationResult(
            answer, instance.id, cold, (ended - began) * 1000, phases, request_id=context.aws_request_id
        )
