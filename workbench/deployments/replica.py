"""One long-running instance of a service: a sandbox with the HTTP host in it, seen from outside."""

from __future__ import annotations

import http.client
import itertools
import json
import queue
import selectors
import signal
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from workbench.deployments.instance_log import InstanceLog
from workbench.deployments.outbound import Outbound
from workbench.deployments.supervision import BackOff
from workbench.errors import DeploymentError, HandlerError, InvocationError, InvocationTimeout
from workbench.invocation import InvocationResult, Phases
from workbench.isolation import languages
from workbench.sandbox import Launcher, Sandbox, SandboxSpec
from workbench.service import Service

INVOKE_PATH = "/2015-03-31/functions/function/invocations"
HEALTH_PATH = "/_workbench/health"
READY_WITHIN_S = 60.0
HEALTH_WITHIN_S = 2.0
BOOTED = {"vmm": "vmm", "kernel": "init", "init": "sandbox_ready"}
RESTORED = {"vmm": "vmm", "restore": "sandbox_ready"}
"""The steps of a machine that boots, or is restored, each with the mark that ends it."""

END_SEEN_WITHIN_S = 2.0
"""How long a broken connection may be ahead of the news that its instance has ended."""


@dataclass(frozen=True)
class Version:
    """One state of the service: what it is, its code, ready to run, and the requests an instance handles at a time."""

    service: Service
    code: Path
    concurrency: int | None = None  # None: as many as come
    outbound: str = ""  # what has to be passed on for an instance: see `outbound.py`

    @property
    def environment(self) -> dict[str, str]:
        """The service's environment, and what its host is to know."""
        told = {
            "WORKBENCH_HEALTH_PATH": self.service.health_path,
            "WORKBENCH_CONCURRENCY": str(self.concurrency or ""),
        }
        return {**self.service.environment, **{name: value for name, value in told.items() if value}}


@runtime_checkable
class Terminable(Protocol):
    """A sandbox that can be asked to end in good order: to take no more requests and to finish those it has."""

    def terminate(self) -> None:
        """Ask (as SIGTERM does), do not wait."""


@runtime_checkable
class Hypervised(Protocol):
    """A sandbox with a virtual machine monitor around it, which needs memory of its own."""

    def overhead_bytes(self) -> int:
        """How much that is now."""


class Replica:
    """A sandbox being started, then serving, then gone; `mark` and `gone` are told by who reads its channel."""

    def __init__(
        self, name: str, version: Version, launch: Launcher, log: InstanceLog, back_off: BackOff | None = None
    ) -> None:
        service = version.service
        self.id = name
        self.version = version
        self.service = service
        self.back_off = back_off or BackOff()  # handed on to the one that takes its place
        self.is_replacement = back_off is not None
        self.provisioned_ms: float | None = None
        self.started_s = time.monotonic()
        self.invocations = 0
        self.outstanding = 0
        self.last_turn = 0  # when it last got a request, counted in requests of its deployment
        self.wanted = True
        self.error: HandlerError | None = None
        self._marks: dict[str, int] = {}
        self._settled = threading.Event()
        self._gone = threading.Event()
        self._is_ready = False
        self._log = log
        self._end_lock = threading.Lock()
        self._end = ""
        self._last_check = "it was not asked"
        self._connections: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self._outbound = Outbound(version.outbound)
        spec = SandboxSpec(
            name,
            "http_host.py",
            service.handler,
            version.code,
            service.resources,
            version.environment,
            language=languages.of(service.runtime),
            ports=self._outbound.ports,
        )
        self.box: Sandbox = launch(spec)

    def mark(self, message: Mapping[str, Any], listener: socket.socket | None = None) -> None:
        """Take a message of the control channel; `listener` came with it."""
        if listener is not None:
            self._outbound.serve(message.get("port"), listener)
            return
        name = str(message.get("mark", ""))
        self._marks[name] = int(message.get("at_ns", time.monotonic_ns()))
        if name == "init_error":
            self.error = HandlerError.told(message.get("error") or {})
        if name in ("init_error", "function_ready"):
            self._settled.set()

    def gone(self) -> None:
        """Its control channel has ended."""
        self._gone.set()
        self._settled.set()

    def append_log(self, data: bytes) -> None:
        """Keep what it printed."""
        self._log.append(data)

    @property
    def is_gone(self) -> bool:
        """Whether the inside has ended."""
        return self._gone.is_set()

    @property
    def ready(self) -> bool:
        """Whether it takes requests: it has been waited for, and has not ended."""
        return self._is_ready and not self.is_gone

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Return when it can take requests; raises HandlerError or DeploymentError saying why it never will."""
        deadline = time.monotonic() + within_s
        settled = self._settled.wait(within_s)
        if self.error:
            raise self.error
        if self._is_loaded:
            self._wait_healthy(deadline, within_s)
            return
        if not settled:
            raise DeploymentError(
                f"Instance {self.id} was not ready within {within_s:g} s. It last printed:\n{self.tail()}"
            )
        raise DeploymentError(
            f"Instance {self.id} {self.ending()} before it was ready. It last printed:\n{self.tail()}"
        )

    @property
    def _is_loaded(self) -> bool:
        return "function_ready" in self._marks and not self.is_gone

    def take_requests(self) -> None:
        """From now on it is `ready`: it has been waited for."""
        self.provisioned_ms = (time.monotonic() - self.started_s) * 1000
        self._is_ready = True

    def _wait_healthy(self, deadline: float, within_s: float) -> None:
        # The host's own answer would say no more than its mark has; only the service's own path is asked for here.
        pause = 0.02
        while self.service.health_path and not self.healthy(HEALTH_WITHIN_S):
            if self.is_gone:
                raise DeploymentError(
                    f"Instance {self.id} {self.ending()} before it was healthy. It last printed:\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise DeploymentError(
                    f"Instance {self.id} was not healthy within {within_s:g} s: GET {self.service.health_path} - "
                    f"{self._last_check}. It last printed:\n{self.tail()}"
                )
            self._gone.wait(pause)
            pause = min(2 * pause, 0.5)

    def tail(self) -> str:
        """The last of what it printed, as text."""
        return self._log.tail().decode("utf-8", "replace")

    def healthy(self, within_s: float) -> bool:
        """Whether its health path (the service's, else the host's own) answers in time with a status below 400."""
        began = time.monotonic()
        try:
            connection = self._connect(within_s)
            try:
                connection.request("GET", self.service.health_path or HEALTH_PATH)
                status = connection.getresponse().status
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            self._last_check = f"no answer ({type(error).__name__})"
            return False
        took_s = time.monotonic() - began
        self._last_check = f"status {status} after {took_s:.2f} s"
        return status < 400 and took_s <= within_s

    def end_because(self, reason: str) -> None:
        """End it at once; requests in flight fail with `reason`, a phrase such as "was stopped"."""
        with self._end_lock:
            self._end = self._end or reason
        self.box.kill()

    def ending(self) -> str:
        """How it ended, as a phrase after its name: "crashed: exited with code 3", "was ended by its memory limit"."""
        if not self._gone.wait(END_SEEN_WITHIN_S) and not self._end:
            return "closed the connection"
        with self._end_lock:
            if not self._end:  # found out once: later the sandbox is closed, and knows less
                self._end = self._found_end()
            return self._end

    def _found_end(self) -> str:
        deadline = time.monotonic() + END_SEEN_WITHIN_S
        while (code := self.box.exit_code()) is None:  # its channel is closed a moment before it has ended
            if time.monotonic() > deadline:
                return "closed its control channel"
            time.sleep(0.005)
        if self.box.oom_killed():
            limit = self.service.resources.memory_mb
            return f"was ended by its memory limit of {limit} MB (give it more memory_mb)"
        if code < 0:
            return f"crashed: ended by signal {_signal_name(-code)}"
        return f"crashed: exited with code {code}"

    def terminate(self) -> None:
        """Ask it to take no more requests and to end when those under way are answered, where its sandbox can."""
        with self._end_lock:
            self._end = self._end or "was stopped"
        if isinstance(self.box, Terminable):
            self.box.terminate()
        else:
            self.gone()

    def wait_gone(self, within_s: float) -> bool:
        """Whether it has ended by itself in time."""
        return self._gone.wait(max(0.0, within_s))

    def call(self, payload: Any, began: float, *, cold: bool) -> InvocationResult:
        """Send one direct invocation and wait; the latency counts from `began` (time.perf_counter seconds)."""
        body = json.dumps(payload).encode()
        limit = self.service.resources.timeout_s
        response, content = self._exchange(body, limit)
        latency_ms = (time.perf_counter() - began) * 1000
        self.invocations += 1
        answer = decoded(content, self.id)
        if response.getheader("X-Amz-Function-Error"):
            raise handler_error(answer)
        if response.status != 200:
            raise InvocationError(f"Instance {self.id} answered HTTP {response.status}: {content[:500]!r}")
        handler_ms = float(response.getheader("X-Workbench-Handler-Ms") or 0)
        phases = self._phases(handler_ms) if cold else Phases(handler_ms=handler_ms)
        return InvocationResult(
            answer,
            self.id,  # not what it says: a restored one has the environment of the one that was saved
            cold and response.getheader("X-Workbench-Cold") == "1",  # a spare instance's first call waited for no start
            latency_ms,
            phases,
        )

    def close(self) -> None:
        """End the sandbox and the connections to it."""
        self.wanted = False
        with self._end_lock:
            self._end = self._end or "was stopped"
        self.gone()
        while True:
            try:
                self._connections.get_nowait().close()
            except queue.Empty:
                break
        self._outbound.close()
        self.box.close()

    def _exchange(self, body: bytes, limit: float) -> tuple[http.client.HTTPResponse, bytes]:
        connection = self._idle_connection() or self._connect(limit)
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
            raise InvocationError(
                f"Instance {self.id} {self.ending()} before it answered ({type(error).__name__})."
                + (" The handler may have run." if sent else " The handler did not run."),
                definite=not sent,
            ) from error
        self._connections.put(connection)
        return response, content

    def _idle_connection(self) -> http.client.HTTPConnection | None:
        while True:
            try:
                connection = self._connections.get_nowait()
            except queue.Empty:
                return None
            # The inside closes what was silent for long: such a one is readable, and must not lose a request.
            if connection.sock is not None and not is_readable(connection.sock):
                return connection
            connection.close()

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
        return Phases(sandbox, runtime, function, handler_ms, self._sandbox_steps())

    def _sandbox_steps(self) -> tuple[tuple[str, float], ...]:
        """What a machine that boots goes through, seen outside; empty for a sandbox that does not boot."""
        steps = BOOTED if "init" in self._marks else RESTORED
        if not self._marks.keys() >= set(steps.values()):
            return ()
        ends = [(step, self._marks[mark]) for step, mark in steps.items()]
        began = [self.box.launched_ns, *(at for _, at in ends)]
        return tuple((step, (at - before) / 1e6) for (step, at), before in zip(ends, began, strict=False))


def decoded(content: bytes, instance: str) -> Any:
    """An instance's answer; raises InvocationError where it is no JSON."""
    try:
        return json.loads(content) if content else None
    except ValueError as error:
        raise InvocationError(f"Instance {instance} answered no JSON: {content[:200]!r}") from error


def handler_error(answer: Any) -> HandlerError:
    """What the handler raised, as its host tells it."""
    fields = answer if isinstance(answer, dict) else {"errorMessage": str(answer)}
    return HandlerError(
        str(fields.get("errorMessage", "")),
        str(fields.get("errorType", "Error")),
        [str(line) for line in fields.get("stackTrace") or fields.get("trace") or ()],
    )


def is_readable(sock: socket.socket) -> bool:
    """Whether something can be read from it now: data, or its end."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
