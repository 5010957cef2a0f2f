"""One long-running instance of a service: a sandbox with the HTTP host in it, seen from outside."""

from __future__ import annotations

import http.client
import itertools
import json
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import DeploymentError, HandlerError, InvocationError, InvocationTimeout
from workbench.invocation import InvocationResult, Phases
from workbench.isolation import languages
from workbench.sandbox import Launcher, Sandbox, SandboxSpec
from workbench.service import Service

INVOKE_PATH = "/2015-03-31/functions/function/invocations"
HEALTH_PATH = "/_workbench/health"
LOG_BYTES = 64 * 1024
READY_WITHIN_S = 60.0


class Replica:
    """A sandbox being started, then serving, then gone; `mark` and `gone` are told by who reads its channel."""

    def __init__(self, name: str, service: Service, code: Path, launch: Launcher) -> None:
        self.id = name
        self.service = service
        self.started_s = time.monotonic()
        self.invocations = 0
        self.outstanding = 0
        self.last_turn = 0  # when it last got a request, counted in requests of its deployment
        self.wanted = True
        self.log = b""
        self.error: HandlerError | None = None
        self._marks: dict[str, int] = {}
        self._settled = threading.Event()
        self._gone = threading.Event()
        self._connections: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        spec = SandboxSpec(
            name,
            "http_host.py",
            service.handler,
            code,
            service.resources,
            service.environment,
            language=languages.of(service.runtime),
        )
        self.box: Sandbox = launch(spec)

    def mark(self, message: Mapping[str, Any]) -> None:
        """Take a message of the control channel."""
        name = str(message.get("mark", ""))
        self._marks[name] = int(message.get("at_ns", time.monotonic_ns()))
        if name == "init_error":
            error = message.get("error") or {}
            self.error = HandlerError(
                str(error.get("errorMessage", "the module could not be loaded")),
                str(error.get("errorType", "Error")),
                [str(line) for line in error.get("stackTrace") or ()],
            )
        if name in ("init_error", "function_ready"):
            self._settled.set()

    def gone(self) -> None:
        """Its control channel has ended."""
        self._gone.set()
        self._settled.set()

    def append_log(self, data: bytes) -> None:
        """Keep the last of what it printed."""
        self.log = (self.log + data)[-LOG_BYTES:]

    @property
    def is_gone(self) -> bool:
        """Whether the inside has ended."""
        return self._gone.is_set()

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return "function_ready" in self._marks and not self.is_gone

    def wait_ready(self) -> None:
        """Return when it takes requests; raises HandlerError or DeploymentError with the reason when it never will."""
        settled = self._settled.wait(READY_WITHIN_S)
        if self.error:
            raise self.error
        if self.ready:
            return
        if not settled:
            raise DeploymentError(
                f"Instance {self.id} was not ready within {READY_WITHIN_S:.0f} s. It last printed:\n{self.tail()}"
            )
        code = self.box.exit_code()
        memory = " Its memory limit ended it; give it more memory_mb." if self.box.oom_killed() else ""
        raise DeploymentError(
            f"Instance {self.id} ended before it was ready (exit code {code}).{memory} It last printed:\n{self.tail()}"
        )

    def tail(self) -> str:
        """The last of what it printed, as text."""
        return self.log.decode("utf-8", "replace")

    def healthy(self, within_s: float) -> bool:
        """Whether it answers its health check in time."""
        try:
            connection = self._connect(within_s)
            try:
                connection.request("GET", HEALTH_PATH)
                return connection.getresponse().status == 200
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False

    def call(self, payload: Any, began: float, *, cold: bool) -> InvocationResult:
        """Send one direct invocation and wait; the latency counts from `began` (time.perf_counter seconds)."""
        body = json.dumps(payload).encode()
        limit = self.service.resources.timeout_s
        response, content = self._exchange(body, limit)
        latency_ms = (time.perf_counter() - began) * 1000
        self.invocations += 1
        answer = _decoded(content, self.id)
        if response.getheader("X-Amz-Function-Error"):
            raise _handler_error(answer)
        if response.status != 200:
            raise InvocationError(f"Instance {self.id} answered HTTP {response.status}: {content[:500]!r}")
        handler_ms = float(response.getheader("X-Workbench-Handler-Ms") or 0)
        phases = self._phases(handler_ms) if cold else Phases(handler_ms=handler_ms)
        return InvocationResult(
            answer,
            response.getheader("X-Workbench-Instance") or self.id,
            cold and response.getheader("X-Workbench-Cold") == "1",  # a spare instance's first call waited for no start
            latency_ms,
            phases,
        )

    def close(self) -> None:
        """End the sandbox and the connections to it."""
        self.wanted = False
        self.gone()
        while True:
            try:
                self._connections.get_nowait().close()
            except queue.Empty:
                break
        self.box.close()

    def _exchange(self, body: bytes, limit: float) -> tuple[http.client.HTTPResponse, bytes]:
        try:
            connection = self._connections.get_nowait()
        except queue.Empty:
            connection = self._connect(limit)
        sent = False
        try:
            connection.request("POST", INVOKE_PATH, body, {"Content-Type": "application/json"})
            sent = True
            response = connection.getresponse()
            content = response.read()
        except TimeoutError as error:
            connection.close()
            raise InvocationTimeout(
                f"{self.service.name} did not answer within {limit} s. Raise timeout_s, or look at its log."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            reason = "was ended by its memory limit" if self.box.oom_killed() else "went away"
            raise InvocationError(
                f"Instance {self.id} {reason} before it answered ({type(error).__name__})."
                + (" The handler may have run." if sent else " The handler did not run."),
                definite=not sent,
            ) from error
        self._connections.put(connection)
        return response, content

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.box.address)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)

    def _phases(self, handler_ms: float) -> Phases:
        # Monotonic clocks of one machine; an inside with a clock of its own would have to be timed from outside.
        steps = [
            self.box.launched_ns,
            *(self._marks.get(m) for m in ("sandbox_ready", "runtime_ready", "function_ready")),
        ]
        sandbox, runtime, function = (
            None if a is None or b is None else (b - a) / 1e6 for a, b in itertools.pairwise(steps)
        )
        return Phases(sandbox, runtime, function, handler_ms)


def _decoded(content: bytes, instance: str) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError as error:
        raise InvocationError(f"Instance {instance} answered no JSON: {content[:200]!r}") from error


def _handler_error(answer: Any) -> HandlerError:
    fields = answer if isinstance(answer, dict) else {"errorMessage": str(answer)}
    return HandlerError(
        str(fields.get("errorMessage", "")),
        str(fields.get("errorType", "Error")),
        [str(line) for line in fields.get("stackTrace") or fields.get("trace") or ()],
    )
