"""Carries out what the scheduler decides, and tells it what happened: all I/O of running functions.

Everything here runs on one event loop; `tell` is the only way into the scheduler, one event at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from workbench.faas import messages as m
from workbench.faas.aws_errors import AwsError, not_found
from workbench.faas.functions.function import LATEST, Function
from workbench.faas.running.accounting import account, failure, work_of
from workbench.faas.running.billing import TODAY, BillingRule
from workbench.faas.running.calls import Call, Outcome, Watcher
from workbench.faas.running.history import History
from workbench.faas.running.host import Code, Gateway, Host
from workbench.faas.running.live_instance import LiveInstance
from workbench.faas.running.logs import InstanceLog
from workbench.faas.running.response_stream import Sink
from workbench.faas.running.start import Start
from workbench.faas.running.templates import Templates
from workbench.faas.scheduler import Instance, Policy, Scheduler
from workbench.sandbox import Technique, Template

UNHANDLED = "Unhandled"
"""AWS's FunctionError for everything that a function's code or runtime does wrong."""

_KEPT_LOGS = 200
_CLOSE_S = 12.0  # an engine that hangs must not keep the platform from ending; `workbench clean` finds what it left


@dataclass(frozen=True)
class Provisioned:
    """How a wish for instances kept ready stands; `status` as in the API: IN_PROGRESS, READY or FAILED."""

    requested: int
    allocated: int
    available: int
    status: str
    reason: str = ""


class Supervisor:
    """The running side of the platform."""

    def __init__(
        self,
        start: Start,
        code: Callable[[Function], Code],
        policy: Policy = Policy(),
        *,
        billing: BillingRule = TODAY,
        gateway: Gateway,
    ) -> None:
        prefix = f"faas-{secrets.token_hex(3)}"
        self._scheduler = Scheduler(policy, prefix)
        self.start_by = start
        self.watchers: list[Watcher] = []
        self.moved: list[Callable[[m.Moved], None]] = []
        self._code = code
        self._billing = billing
        self._functions: dict[str, Function] = {}
        self._versions: dict[tuple[str, str], Function] = {}
        self._calls: dict[str, Call] = {}
        self._instances: dict[str, LiveInstance] = {}
        self._old_logs: dict[str, tuple[str, InstanceLog]] = {}
        self._history = History()
        self._events: deque[m.Event] = deque()
        self._telling = False
        cores = os.cpu_count() or 1
        self._starters = ThreadPoolExecutor(max(4, 2 * cores), thread_name_prefix="start")
        self._cleaners = ThreadPoolExecutor(max(4, 2 * cores), thread_name_prefix="clean")
        self._host = Host(
            prefix,
            start.launch,
            self._template,
            self._starters,
            self._cleaners,
            self.tell,
            self._answered,
            self._closed,
            lambda: None,
            gateway,
            start.pids_limit,
        )
        self._templates = Templates(replace(self._host, template=None), start.template, self._new_instance)
        self._commands: dict[type, Callable[[Any], None]] = {
            m.StartInstance: self._start,
            m.Dispatch: self._dispatch,
            m.Freeze: lambda c: self._on(c.instance, LiveInstance.freeze),
            m.Thaw: lambda c: self._on(c.instance, LiveInstance.thaw),
            m.StopInstance: lambda c: self._on(c.instance, LiveInstance.stop),
            m.SetTimer: self._set_timer,
            m.Fail: self._fail,
            m.Throttle: self._throttle,
            m.Moved: self._moved,
        }

    # ---- for the API -------------------------------------------------------------------------------------------------

    def put(self, function: Function) -> None:
        """Make a function, its new revision or a published version of it invocable."""
        before = self._functions.get(function.id)
        self._functions[function.id] = function
        self._versions[function.id, function.version] = function
        now = time.monotonic()
        if before is None or before.version != function.version:
            self.tell(m.FunctionPut(now, function.id, function.version, function.timeout_s, function.name))
            self._templates.drop(function.id, but=function.version)
        if function.number == LATEST and function.reserved != (before.reserved if before else None):
            self.tell(m.ConcurrencySet(now, function.name, function.reserved))
        self._forget_versions()

    def remove(self, function: str) -> None:
        """Take a function, or one version of it, away by its id; what runs may finish."""
        self._functions.pop(function, None)
        self.tell(m.FunctionDeleted(time.monotonic(), function))
        self._templates.drop(function)
        self._forget_versions()
        if ":" not in function:
            self._history.forget(function)

    def provision(self, function: str, count: int) -> None:
        """Keep so many instances of a function, by its id, ready ahead of need."""
        self.tell(m.ProvisionedSet(time.monotonic(), function, count))

    def provisioned(self, function: str) -> Provisioned:
        """How that stands."""
        requested, allocated, available, reason = self._scheduler.provisioned(function)
        status = "FAILED" if reason else "READY" if available >= requested else "IN_PROGRESS"
        return Provisioned(requested, allocated, available, status, reason)

    async def prepare(self, function: Function) -> None:
        """Initialise a template of the function, for snapshot starts; raises AwsError when that fails."""
        await self._templates.get(function)

    async def invoke(
        self,
        function: Function,
        payload: bytes,
        *,
        request: str,
        client_context: str = "",
        cold: str = "",
        sink: Sink | None = None,
        arn: str = "",
    ) -> Outcome:
        """Run the function once; raises AwsError when it is throttled, gone or cannot be run here.

        `cold` asks for a new instance: `force`, or the name of the technique to start it by. A response that the
        function streams goes to `sink`, if there is one.
        """
        technique = "" if cold == "force" else cold
        if technique:
            self._check_technique(function, technique)
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        call = Call(request, function, payload, client_context, answer, sink, arn or function.arn)
        self._calls[request] = call
        self.tell(m.RequestArrived(time.monotonic(), request, function.id, bool(cold), technique))
        return await answer

    def _check_technique(self, function: Function, wish: str) -> None:
        can = sorted(self.start_by.techniques if function.language == "python" else {Technique.SPAWN})
        if wish not in can:
            raise AwsError(
                "InvalidParameterValueException",
                f"This function cannot be started by {wish!r} here; choose force, {', '.join(can)}.",
                Type="User",
            )

    async def instances(self, function: str) -> list[dict[str, Any]]:
        """The living instances as InstanceView's fields, with their usage as of now."""
        known_here = self._scheduler.instances.items()
        names = [name for name, known in known_here if known.function.pool.name == function]
        await asyncio.gather(*(self._instances[name].measured() for name in names if name in self._instances))
        found = []
        for name in names:
            live, known = self._instances.get(name), self._scheduler.instances.get(name)
            if live is None or known is None:  # it ended meanwhile
                continue
            found.append(
                {
                    "instance_id": name,
                    "state": str(known.state),
                    "version": live.function.number,
                    "technique": str(live.technique),
                    "provisioned": known.provisioned,
                    "phases": live.phases(),
                    "sandbox": live.sandbox.kind if live.sandbox else "",
                    "started_s": live.started_s,
                    "invocations": live.served,
                    "cpu_s": live.usage.cpu_s if live.usage else None,
                    "peak_memory_bytes": live.usage.peak_memory_bytes if live.usage else None,
                    "enforced": sorted(live.sandbox.enforced) if live.sandbox else [],
                }
            )
        return found

    def living(self) -> Iterator[tuple[Instance, LiveInstance]]:
        """All instances, as the scheduler knows them and as they are."""
        for name, known in self._scheduler.instances.items():
            live = self._instances.get(name)
            if live is not None:
                yield known, live

    def concurrency(self) -> tuple[dict[str, int], Counter[str]]:
        """By function name: how many invocations hold a lease, and how many of them wait for an instance."""
        leases = {name: pool.leases for name, pool in self._scheduler.account.pools.items()}
        waiting: Counter[str] = Counter()
        for function in self._scheduler.functions.values():
            waiting[function.pool.name] += len(function.pending)
        return leases, waiting

    def events(self, function: str) -> list[dict[str, Any]]:
        """Every change of state of its instances as InstanceEvent's fields, oldest first."""
        return self._history.of(function)

    def log(self, function: str, instance: str) -> bytes | None:
        """What an instance printed lately; None when it is unknown. Recently gone ones are remembered."""
        live = self._instances.get(instance)
        if live is not None and live.function.name == function:
            live.read_output()
            return live.log.text()
        name, log = self._old_logs.get(instance, ("", None))
        return log.text() if log is not None and name == function else None

    async def crash(self, function: str, instance: str) -> bool:
        """Kill an instance as a crash would, and wait until it is dead; False when there is none."""
        live = self._instances.get(instance)
        if live is None or live.function.name != function:
            return False
        await live.crash()
        return True

    def used_code(self) -> set[str]:
        """The names in the code store of all that a function has or an instance runs, layers included."""
        functions = [*self._functions.values(), *(live.function for live in self._instances.values())]
        return {name for function in functions for name in function.stored}

    @property
    def instance_count(self) -> int:
        """How many instances are there, in whatever state."""
        return len(self._instances)

    async def drain_or(self, seconds: float, at_once: asyncio.Event) -> None:
        """Wait until nothing runs, at most so long, or until `at_once`."""
        answers = [call.answer for call in self._calls.values()]
        if not answers:
            return
        hurry = asyncio.ensure_future(at_once.wait())
        done = asyncio.gather(*answers, return_exceptions=True)
        await asyncio.wait((done, hurry), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()

    async def close(self) -> None:
        """End all instances; whoever still waits is told so."""
        for name in list(self._functions):
            self.remove(name)
        await self._close_templates()
        for call in list(self._calls.values()):
            if not call.answer.done():
                call.answer.set_exception(AwsError("ServiceException", "The platform was stopped.", status=503))
        deadline = time.monotonic() + _CLOSE_S
        while self._instances and time.monotonic() < deadline:
            for live in list(self._instances.values()):
                live.stop()
            await asyncio.sleep(0.005)
        self._starters.shutdown(wait=False, cancel_futures=True)
        self._cleaners.shutdown(wait=False, cancel_futures=True)

    async def _close_templates(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._templates.close()

    # ---- events and commands -----------------------------------------------------------------------------------------

    def tell(self, event: m.Event) -> None:
        """Feed the scheduler, and do what it says; an event that this causes has its turn afterwards."""
        self._events.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._events:
                for command in self._scheduler.step(self._events.popleft()):
                    self._commands[type(command)](command)
        finally:
            self._telling = False

    def _on(self, instance: str, do: Callable[[LiveInstance], None]) -> None:
        live = self._instances.get(instance)
        if live is not None:
            do(live)

    def _start(self, command: m.StartInstance) -> None:
        function = self._versions[command.function, command.version]
        technique = self.start_by.technique_for(function, command.technique)
        live = self._new_instance(command.instance, function, technique, self._host, provisioned=command.provisioned)
        self._instances[command.instance] = live
        live.start()

    def _new_instance(
        self, name: str, function: Function, technique: Technique, host: Host, *, provisioned: bool = False
    ) -> LiveInstance:
        return LiveInstance(name, function, self._code(function), technique, host, provisioned=provisioned)

    async def _template(self, function: Function) -> Template:
        return await self._templates.get(function)

    def _moved(self, move: m.Moved) -> None:
        self._history.add(move)
        for tell in self.moved:
            tell(move)

    def _set_timer(self, command: m.SetTimer) -> None:
        live = self._instances.get(command.instance)
        if live is not None:
            live.wake_at(command.when)

    def _dispatch(self, command: m.Dispatch) -> None:
        call, live = self._calls[command.request], self._instances[command.instance]
        call.instance, call.cold, call.function = live, command.cold, live.function
        if command.cold:
            live.read_output()  # what init printed comes before START
        live.log.begin(call.request, live.function.number)
        call.dispatched = time.monotonic()
        live.give(work_of(call, live.function.timeout_s))

    def _answered(self, instance: str, request: str, body: bytes, error_type: str | None, streamed: bool) -> None:
        now = time.monotonic()
        call = self._calls.get(request)
        if call is not None:
            error = UNHANDLED if error_type is not None else None
            self._settle(call, self._instances[instance], body, error, now)
        self.tell(m.Answered(now, instance))

    def _fail(self, command: m.Fail) -> None:
        call = self._calls.get(command.request)
        if call is None:
            return
        live = self._instances.get(command.instance) or call.instance
        if command.cause is m.Cause.DELETED:
            self._refuse(call, not_found(call.function.arn))
        elif command.cause is m.Cause.LAUNCH or live is None:
            reason = command.detail or "no sandbox could be started"
            self._refuse(call, AwsError("ServiceException", f"The instance could not be started: {reason}"))
        else:
            live.read_output()
            if call.instance is None:  # it waited for an init that failed
                live.log.begin(call.request, live.function.number)
            body = failure(call, command, live)
            self._settle(call, live, body, UNHANDLED, time.monotonic())

    def _throttle(self, command: m.Throttle) -> None:
        call = self._calls[command.request]
        error = AwsError(
            "TooManyRequestsException", "Rate Exceeded.", Reason=str(command.limit), Type="User", retryAfterSeconds="1"
        )
        self._refuse(call, error)

    def _refuse(self, call: Call, error: AwsError) -> None:
        del self._calls[call.request]
        for tell in self.watchers:
            tell(call, error)
        if not call.answer.done():
            call.answer.set_exception(error)

    def _settle(self, call: Call, live: LiveInstance, body: bytes, error: str | None, now: float) -> None:
        """Account for an invocation that ran (or whose instance failed in init) and answer its caller."""
        del self._calls[call.request]
        outcome = account(call, live, body, error, self._billing, now)
        for tell in self.watchers:
            tell(call, outcome)
        if not call.answer.done():
            call.answer.set_result(outcome)

    def _closed(self, instance: str) -> None:
        live = self._instances.pop(instance)
        self._old_logs[instance] = live.function.name, live.log
        while len(self._old_logs) > _KEPT_LOGS:
            del self._old_logs[next(iter(self._old_logs))]
        self._forget_versions()

    def _forget_versions(self) -> None:
        live = {(i.function.id, i.function.version) for i in self._instances.values()}
        live |= {(f.id, f.version) for f in self._functions.values()}
        self._versions = {key: function for key, function in self._versions.items() if key in live}
