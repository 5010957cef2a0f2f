"""The world around a scheduler under test: it remembers what was commanded, and plays the instances."""

from __future__ import annotations

from typing import TypeVar

from workbench.faas import messages as m
from workbench.faas.scheduler import Policy, Scheduler
from workbench.instance import InstanceState

Command = TypeVar("Command")


class World:
    def __init__(self, policy: Policy = Policy()) -> None:
        self.scheduler = Scheduler(policy)
        self.now = 100.0
        self.last: list[m.Command] = []
        self.commands: list[m.Command] = []
        self.timers: dict[str, float] = {}

    # what happens

    def tell(self, event: m.Event) -> list[m.Command]:
        unseen = self._unseen(event)
        self.last = self.scheduler.step(event)
        if unseen is not None and not any(isinstance(c, m.Fail) and c.request == unseen for c in self.last):
            # It was handed out in vain, and waits again.
            self.commands = [c for c in self.commands if not (isinstance(c, m.Dispatch) and c.request == unseen)]
        self.commands += self.last
        for command in self.last:
            if isinstance(command, m.SetTimer):
                self.timers.pop(command.instance, None)
                if command.when is not None:
                    self.timers[command.instance] = command.when
        return self.last

    def _unseen(self, event: m.Event) -> str | None:
        if isinstance(event, m.Gone) and event.unseen and event.instance in self.scheduler.instances:
            return self.scheduler.instances[event.instance].request
        return None

    def with_function(self, name: str, *, timeout_s: float = 3.0, reserved: int | None = None) -> World:
        self.tell(m.FunctionPut(self.now, name, "v1", timeout_s))
        self.tell(m.ConcurrencySet(self.now, name, reserved))
        return self

    def request(self, request: str, function: str, *, cold: bool = False) -> None:
        self.tell(m.RequestArrived(self.now, request, function, cold))

    def provision(self, function: str, count: int) -> None:
        self.tell(m.ProvisionedSet(self.now, function, count))

    def make_ready(self, instance: str) -> None:
        self.tell(m.SandboxMade(self.now, instance))
        self.poll(instance)

    def poll(self, instance: str) -> None:
        self.tell(m.Polled(self.now, instance))

    def answer(self, instance: str) -> None:
        self.tell(m.Answered(self.now, instance))

    def gone(self, instance: str, cause: m.Cause = m.Cause.EXIT) -> None:
        self.tell(m.Gone(self.now, instance, cause))

    def serve(self, request: str, function: str) -> str:
        """Run one request to its end on a new instance, which is idle then."""
        self.request(request, function)
        instance = self.started[-1]
        self.make_ready(instance)
        self.answer(instance)
        self.poll(instance)
        return instance

    def pass_time(self, seconds: float) -> None:
        """Let the clock run, firing every timer when it is due."""
        end = self.now + seconds
        while due := [(when, i) for i, when in self.timers.items() if when <= end]:
            when, instance = min(due)
            self.now = max(self.now, when)
            del self.timers[instance]
            self.tell(m.TimerFired(self.now, instance))
        self.now = end

    # what was commanded

    def _all(self, kind: type[Command]) -> list[Command]:
        return [c for c in self.commands if isinstance(c, kind)]

    @property
    def started(self) -> list[str]:
        return [c.instance for c in self._all(m.StartInstance)]

    @property
    def stopped(self) -> list[str]:
        return [c.instance for c in self._all(m.StopInstance)]

    @property
    def failures(self) -> dict[str, m.Cause]:
        return {c.request: c.cause for c in self._all(m.Fail)}

    @property
    def throttled(self) -> dict[str, m.Limit]:
        return {c.request: c.limit for c in self._all(m.Throttle)}

    def outcome(self, request: str) -> m.Dispatch | m.Fail | m.Throttle | None:
        kinds = (m.Dispatch, m.Fail, m.Throttle)
        found = [c for c in self.commands if isinstance(c, kinds) and c.request == request]
        return found[-1] if found else None

    def instance_of(self, request: str) -> str | None:
        found = self.outcome(request)
        return found.instance if isinstance(found, m.Dispatch) else None

    def states_of(self, instance: str) -> list[InstanceState]:
        return [c.state for c in self._all(m.Moved) if c.instance == instance]

    def state(self, instance: str) -> InstanceState:
        return self.states_of(instance)[-1]

    def starting(self) -> list[str]:
        return [i for i in self.started if self.state(i) is InstanceState.STARTING]

    def version_of(self, instance: str) -> str:
        return next(c.version for c in self._all(m.StartInstance) if c.instance == instance)
