"""Which instance runs which request: a pure state machine. Events in, commands out; it has no clock and does no I/O.

How it decides
- A request takes a *lease* of concurrency on arrival, or is throttled (`concurrency.py`); the lease ends with its
  answer or failure.
- An idle instance of the current version serves it, a provisioned one before others and the newest first, so that
  surplus ones grow old and expire.
- Without one it waits, and an instance is started for it; whichever instance becomes free first serves the oldest
  waiter. A request that wants a cold start waits for its own instance only.
- An instance that answered counts as free only when it asks for more (`Polled`): until then it is BUSY without a lease.
- An idle instance is frozen after a short while, not at once: a freeze and a thaw cost more than a warm invocation, so
  under steady load they would be most of the work; AWS does not bill that while either.
- Provisioned instances are started ahead of need, replaced when they end, and do not expire. When one cannot be
  initialised no other is tried until the wish is renewed.
- One timer per instance; its meaning is the state's: launch and init limit, deadline, freeze, expiry.

The table `MOVES` at the end of this file is the whole behaviour: what each event does in each state. The file is longer
than others because it is one machine: split, its moves could not be read beside their table.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import InvalidTransition
from workbench.faas.concurrency import Account, Pool
from workbench.faas.messages import (
    Answered,
    Cause,
    Command,
    ConcurrencySet,
    Dispatch,
    Event,
    Fail,
    Freeze,
    FunctionDeleted,
    FunctionEvent,
    FunctionPut,
    Gone,
    InitFailed,
    Limit,
    Moved,
    Polled,
    ProvisionedSet,
    RequestArrived,
    SandboxMade,
    SetTimer,
    StartInstance,
    StopInstance,
    Thaw,
    Throttle,
    TimerFired,
)
from workbench.instance import InstanceState, check_transition

STARTING, IDLE, BUSY, FROZEN = InstanceState.STARTING, InstanceState.IDLE, InstanceState.BUSY, InstanceState.FROZEN
STOPPING, STOPPED, FAILED = InstanceState.STOPPING, InstanceState.STOPPED, InstanceState.FAILED


@dataclass(frozen=True)
class Policy:
    """The platform's limits; times in seconds, `burst` in new instances of one function per `burst_period_s`.

    `init_s` is AWS's cap of the on-demand Init phase (Lambda developer guide, "Understanding the Lambda execution
    environment lifecycle"): past it init is tried once more under the function's timeout. AWS does not publish its idle
    expiry; about ten minutes was observed (mikhail.io, 2019, secondary source).
    """

    account_concurrency: int = 1000
    burst: int = 1000
    burst_period_s: float = 10.0
    idle_expiry_s: float = 600.0
    freeze_after_s: float = 0.1
    init_s: float = 10.0
    launch_s: float = 60.0


@dataclass(eq=False, slots=True)
class Instance:
    """What the scheduler knows of one instance."""

    name: str
    number: int
    function: Function
    version: str
    attempt: int  # 1, or 2 when an init that was too slow is tried again
    bound: str | None  # the cold request that this instance is for
    technique: str = ""
    provisioned: bool = False
    state: InstanceState = STARTING
    request: str | None = None  # the request it runs: its lease
    request_cold: bool = False  # that request asked for a cold start
    made: bool = False
    served: int = 0
    retiring: bool = False
    idle_since: float = 0.0
    timer: float | None = None

    def __lt__(self, other: Instance) -> bool:
        return self.number < other.number


@dataclass(eq=False, slots=True)
class Function:
    """What the scheduler knows of one function, or of one published version of it."""

    name: str
    version: str
    timeout_s: float
    pool: Pool
    provisioned: int = 0  # how many instances are to be kept ready
    unprovisionable: str = ""  # why none is started any more
    pending: deque[str] = field(default_factory=deque)
    idle: list[Instance] = field(default_factory=list)  # idle and frozen, oldest first
    instances: dict[str, Instance] = field(default_factory=dict)


class Scheduler:
    """Feed it events with `step`; carry out the commands it returns, in order."""

    def __init__(self, policy: Policy = Policy(), prefix: str = "i") -> None:
        self.policy = policy
        self.functions: dict[str, Function] = {}
        self.instances: dict[str, Instance] = {}
        self.account = Account(policy.account_concurrency, policy.burst, policy.burst_period_s)
        self._prefix = prefix
        self._count = 0
        self._now = 0.0
        self._out: list[Command] = []

    def step(self, event: Event) -> list[Command]:
        """Take in one event; raises InvalidTransition when it is impossible in the instance's state."""
        self._now, self._out = event.at, []
        if isinstance(event, FunctionEvent):
            FUNCTION_MOVES[type(event)](self, event)
            return self._out
        instance = self.instances.get(event.instance)
        if instance is None:
            return []  # a late word of an instance already forgotten
        move = MOVES.get((type(event), instance.state))
        if move is None:
            raise InvalidTransition(instance.name, instance.state, type(event).__name__)
        move(self, instance, event)
        return self._out

    def provisioned(self, name: str) -> tuple[int, int, int, str]:
        """Of one function: instances to be kept ready, those started, those ready, and what failed."""
        function = self.functions[name]
        mine = self._provisioned_of(function)
        ready = [i for i in mine if i.state is not STARTING]
        return function.provisioned, len(mine), len(ready), function.unprovisionable

    # ---- functions and requests ------------------------------------------------------------------------------------

    def _function_put(self, event: FunctionPut) -> None:
        function = self.functions.get(event.function)
        if function is None:
            pool = self.account.join(event.pool or event.function)
            self.functions[event.function] = Function(event.function, event.version, event.timeout_s, pool)
            return
        function.version, function.timeout_s, function.unprovisionable = event.version, event.timeout_s, ""
        self._retire_old_versions(function)
        self._keep_provisioned(function)
        self._scale_out(function)

    def _concurrency_set(self, event: ConcurrencySet) -> None:
        if pool := self.account.pools.get(event.pool):
            self.account.reserve(pool, event.reserved)

    def _provisioned_set(self, event: ProvisionedSet) -> None:
        function = self.functions.get(event.function)
        if function is None:
            return
        self.account.provision(function.pool, function.name, event.count)
        function.provisioned, function.unprovisionable = event.count, ""
        for surplus in self._provisioned_of(function)[event.count :]:
            surplus.provisioned = False
            if surplus.state is not STARTING:  # else it may be what a request waits for
                self._retire(surplus, "provisioned concurrency lowered")
        self._keep_provisioned(function)

    def _function_deleted(self, event: FunctionDeleted) -> None:
        function = self.functions.pop(event.function, None)
        if function is None:
            return
        while function.pending:
            self._fail(function, function.pending.popleft(), Cause.DELETED)
        function.version, function.provisioned = "", 0
        self._retire_old_versions(function)
        self.account.leave(function.pool, function.name)

    def _request_arrived(self, event: RequestArrived) -> None:
        function = self.functions.get(event.function)
        if function is None:
            self._out.append(Fail(event.request, Cause.DELETED))
            return
        limit = self.account.refusal(function.pool)
        if limit is None and self._needs_start(function, event.cold) and not function.pool.starts.take(self._now):
            limit = Limit.BURST
        if limit is not None:
            self._out.append(Throttle(event.request, limit))
            return
        self.account.lease(function.pool)
        if event.cold:
            self._start(function, bound=event.request, technique=event.technique)
        elif function.idle:
            self._dispatch(self._take_idle(function), event.request)
        else:
            function.pending.append(event.request)
            self._scale_out(function)

    def _needs_start(self, function: Function, cold: bool) -> bool:
        return cold or (not function.idle and len(function.pending) >= self._coming(function))

    @staticmethod
    def _take_idle(function: Function) -> Instance:
        if function.provisioned:
            for place in reversed(range(len(function.idle))):
                if function.idle[place].provisioned:
                    return function.idle.pop(place)
        return function.idle.pop()

    # ---- an instance starts ----------------------------------------------------------------------------------------

    def _sandbox_made(self, instance: Instance, event: SandboxMade) -> None:
        instance.made = True
        limit = self.policy.init_s if instance.attempt == 1 else instance.function.timeout_s
        self._set_timer(instance, self._now + limit)

    def _ready(self, instance: Instance, event: Polled) -> None:
        self._move(instance, IDLE)
        if instance.bound is None:
            self._serve_or_rest(instance)
        else:
            request, instance.bound = instance.bound, None
            self._dispatch(instance, request, asked_cold=True)

    def _init_failed(self, instance: Instance, event: InitFailed) -> None:
        self._lose_starting(instance, Cause.INIT_ERROR, "init error")
        self._out.append(StopInstance(instance.name))

    def _lost_starting(self, instance: Instance, event: Gone) -> None:
        self._lose_starting(instance, event.cause, event.detail)

    def _init_overdue(self, instance: Instance, event: TimerFired) -> None:
        if self._early(instance):
            return
        function, bound = instance.function, instance.bound
        if instance.made and instance.attempt == 1:
            instance.bound = None
            if instance.provisioned and function.provisioned:
                instance.provisioned = False
                self._start(function, attempt=2, provisioned=True)
            self._stop(instance, "init took too long; tried once more")
            if bound is not None or self._lack(function) > 0:
                self._start(function, bound=bound, attempt=2, technique=instance.technique)
            return
        cause = Cause.TIMEOUT if instance.made else Cause.LAUNCH
        self._lose_starting(instance, cause, "init took too long" if instance.made else "no sandbox in time")
        self._out.append(StopInstance(instance.name))

    def _lose_starting(self, instance: Instance, cause: Cause, detail: str) -> None:
        """Its own cold request fails with it, else the oldest waiter, which is the one it was started for."""
        function = instance.function
        if instance.provisioned:
            function.unprovisionable = detail or str(cause)
        self._forget(instance, FAILED, detail)
        if instance.bound is not None:
            self._fail(function, instance.bound, cause, instance, detail)
        elif function.pending:
            self._fail(function, function.pending.popleft(), cause, instance, detail)
        self._scale_out(function)

    # ---- an instance works -----------------------------------------------------------------------------------------

    def _answered(self, instance: Instance, event: Answered) -> None:
        if instance.request is None:
            raise InvalidTransition(instance.name, "busy without a request", "Answered")
        self.account.release(instance.function.pool)
        instance.request = None
        instance.served += 1
        if instance.request_cold:
            self._retire_others(instance)
        if instance.retiring:
            self._stop(instance, "retired")

    def _polled_again(self, instance: Instance, event: Polled) -> None:
        if instance.request is not None:
            raise InvalidTransition(instance.name, f"running {instance.request}", "Polled")
        self._move(instance, IDLE)
        self._serve_or_rest(instance)

    def _timed_out(self, instance: Instance, event: TimerFired) -> None:
        if self._early(instance):
            return
        request, instance.request = instance.request, None
        self._stop(instance, "timed out")
        if request is not None:
            self._fail(instance.function, request, Cause.TIMEOUT, instance)
        self._scale_out(instance.function)

    def _crashed(self, instance: Instance, event: Gone) -> None:
        request, instance.request = instance.request, None
        function = instance.function
        self._forget(instance, FAILED, event.detail)
        if request is not None and event.unseen and function.version:
            function.pending.appendleft(request)  # nothing of it ran
        elif request is not None:
            self._fail(function, request, event.cause, instance, event.detail)
        self._scale_out(function)

    # ---- an instance rests -----------------------------------------------------------------------------------------

    def _freeze_or_expire(self, instance: Instance, event: TimerFired) -> None:
        if self._early(instance):
            return
        expiry = instance.idle_since + self.policy.idle_expiry_s
        if self._now >= expiry and not instance.provisioned:
            self._stop(instance, "idle expiry")
            return
        self._move(instance, FROZEN)
        self._out.append(Freeze(instance.name))
        self._set_timer(instance, None if instance.provisioned else expiry)

    def _lost_resting(self, instance: Instance, event: Gone) -> None:
        instance.function.idle.remove(instance)
        self._forget(instance, FAILED, event.detail)

    def _stopped(self, instance: Instance, event: Gone) -> None:
        self._forget(instance, STOPPED, "")

    def _nothing(self, instance: Instance, event: Any) -> None:
        """A word that crossed ours on the way."""

    # ---- what the moves are made of --------------------------------------------------------------------------------

    def _start(
        self,
        function: Function,
        *,
        bound: str | None = None,
        attempt: int = 1,
        technique: str = "",
        provisioned: bool = False,
    ) -> None:
        self._count += 1
        name = f"{self._prefix}-{self._count}"
        instance = Instance(name, self._count, function, function.version, attempt, bound, technique, provisioned)
        self.instances[name] = function.instances[name] = instance
        self._out.append(Moved(self._now, function.name, name, STARTING))
        self._out.append(StartInstance(name, function.name, function.version, technique, provisioned))
        self._set_timer(instance, self._now + self.policy.launch_s)

    def _provisioned_of(self, function: Function) -> list[Instance]:
        mine = (i for i in function.instances.values() if i.provisioned and i.version == function.version)
        return [i for i in mine if i.state is not STOPPING and not i.retiring]

    def _keep_provisioned(self, function: Function) -> None:
        if function.provisioned and not function.unprovisionable:
            for _ in range(function.provisioned - len(self._provisioned_of(function))):
                self._start(function, provisioned=True)

    def _coming(self, function: Function) -> int:
        """How many instances will ask for work without being started for it."""
        return sum(
            1
            for i in function.instances.values()
            if (i.state is STARTING and i.bound is None) or (i.state is BUSY and i.request is None and not i.retiring)
        )

    def _lack(self, function: Function) -> int:
        """How many waiters no coming instance is for."""
        return len(function.pending) - self._coming(function) if function.pending else 0

    def _scale_out(self, function: Function) -> None:
        for _ in range(self._lack(function)):
            self._start(function)

    def _serve_or_rest(self, instance: Instance) -> None:
        function = instance.function
        if function.pending:
            self._dispatch(instance, function.pending.popleft())
            return
        instance.idle_since = self._now
        insort(function.idle, instance)
        self._set_timer(instance, self._now + min(self.policy.freeze_after_s, self.policy.idle_expiry_s))

    def _dispatch(self, instance: Instance, request: str, *, asked_cold: bool = False) -> None:
        if instance.state is FROZEN:
            self._out.append(Thaw(instance.name))
            self._move(instance, IDLE)
        self._move(instance, BUSY)
        instance.request, instance.request_cold = request, asked_cold
        deadline = self._now + instance.function.timeout_s
        self._set_timer(instance, deadline)
        cold = instance.served == 0 and not instance.provisioned
        self._out.append(Dispatch(instance.name, request, cold, deadline))

    def _retire_old_versions(self, function: Function) -> None:
        for instance in list(function.instances.values()):
            if instance.version == function.version or instance.state is STOPPING:
                continue
            bound, instance.bound = instance.bound, None
            self._retire(instance, "function updated" if function.version else "function deleted")
            if bound is not None and function.version:
                self._start(function, bound=bound, technique=instance.technique)
            elif bound is not None:
                self._fail(function, bound, Cause.DELETED)

    def _retire_others(self, newest: Instance) -> None:
        """A cold start was asked for: instances before it serve no more (starting ones have waiters of their own)."""
        for other in list(newest.function.instances.values()):
            if other.number < newest.number and other.state in (IDLE, FROZEN, BUSY) and not other.provisioned:
                self._retire(other, "replaced by a cold start")
        self._scale_out(newest.function)

    def _retire(self, instance: Instance, detail: str) -> None:
        if instance.state is BUSY and instance.request is not None:
            instance.retiring = True
        else:
            self._stop(instance, detail)

    def _stop(self, instance: Instance, detail: str) -> None:
        if instance.state in (IDLE, FROZEN):
            instance.function.idle.remove(instance)
        self._move(instance, STOPPING, detail)
        self._set_timer(instance, None)
        self._out.append(StopInstance(instance.name))
        if instance.provisioned:
            self._keep_provisioned(instance.function)

    def _forget(self, instance: Instance, state: InstanceState, detail: str) -> None:
        self._move(instance, state, detail)
        self._set_timer(instance, None)
        del self.instances[instance.name], instance.function.instances[instance.name]
        if instance.provisioned:
            self._keep_provisioned(instance.function)

    def _fail(
        self, function: Function, request: str, cause: Cause, instance: Instance | None = None, detail: str = ""
    ) -> None:
        self.account.release(function.pool)
        self._out.append(Fail(request, cause, instance.name if instance else "", detail))

    def _move(self, instance: Instance, state: InstanceState, detail: str = "") -> None:
        check_transition(instance.name, instance.state, state)
        instance.state = state
        self._out.append(Moved(self._now, instance.function.name, instance.name, state, detail))

    def _set_timer(self, instance: Instance, when: float | None) -> None:
        if instance.timer != when:
            instance.timer = when
            self._out.append(SetTimer(instance.name, when))

    def _early(self, instance: Instance) -> bool:
        return instance.timer is None or self._now < instance.timer


FUNCTION_MOVES: dict[type, Callable[[Scheduler, Any], None]] = {
    FunctionPut: Scheduler._function_put,
    ConcurrencySet: Scheduler._concurrency_set,
    ProvisionedSet: Scheduler._provisioned_set,
    FunctionDeleted: Scheduler._function_deleted,
    RequestArrived: Scheduler._request_arrived,
}

MOVES: dict[tuple[type, InstanceState], Callable[[Scheduler, Instance, Any], None]] = {
    # event        in state    does
    (SandboxMade, STARTING): Scheduler._sandbox_made,
    (Polled, STARTING): Scheduler._ready,
    (InitFailed, STARTING): Scheduler._init_failed,
    (TimerFired, STARTING): Scheduler._init_overdue,
    (Gone, STARTING): Scheduler._lost_starting,
    #
    (Answered, BUSY): Scheduler._answered,
    (Polled, BUSY): Scheduler._polled_again,
    (TimerFired, BUSY): Scheduler._timed_out,
    (Gone, BUSY): Scheduler._crashed,
    #
    (TimerFired, IDLE): Scheduler._freeze_or_expire,
    (Gone, IDLE): Scheduler._lost_resting,
    (TimerFired, FROZEN): Scheduler._freeze_or_expire,
    (Gone, FROZEN): Scheduler._lost_resting,
    #
    (Gone, STOPPING): Scheduler._stopped,
    (SandboxMade, STOPPING): Scheduler._nothing,
    (Polled, STOPPING): Scheduler._nothing,
    (Answered, STOPPING): Scheduler._nothing,
    (InitFailed, STOPPING): Scheduler._nothing,
    (TimerFired, STOPPING): Scheduler._nothing,
}
