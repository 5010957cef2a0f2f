"""What must hold of the scheduler whatever happens: hypothesis plays clients, instances and the clock against it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.unit.faas.world import World
from workbench.faas import messages as m
from workbench.faas.scheduler import Policy
from workbench.instance import TRANSITIONS, InstanceState

FUNCTIONS = ("f", "f:1", "g")
POOL = {"f": "f", "f:1": "f", "g": "g"}
POLICY = Policy(
    account_concurrency=4, burst=6, burst_period_s=10, idle_expiry_s=20, freeze_after_s=1, init_s=5, launch_s=8
)
ANY = st.integers(0, 50)


class Platform(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(POLICY)
        self.requests = 0
        self.versions = 0
        self.made: set[str] = set()

    # the world acts

    @rule(function=st.sampled_from(FUNCTIONS), timeout_s=st.sampled_from((1.0, 3.0)))
    def put(self, function: str, timeout_s: float) -> None:
        self.versions += 1
        self.world.tell(m.FunctionPut(self.world.now, function, f"v{self.versions}", timeout_s, POOL[function]))

    @rule(function=st.sampled_from(FUNCTIONS))
    def delete(self, function: str) -> None:
        self.world.tell(m.FunctionDeleted(self.world.now, function))

    @rule(pool=st.sampled_from(("f", "g")), reserved=st.sampled_from((None, 0, 1, 2)))
    def reserve(self, pool: str, reserved: int | None) -> None:
        self.world.tell(m.ConcurrencySet(self.world.now, pool, reserved))

    @rule(function=st.sampled_from(FUNCTIONS), count=st.integers(0, 3))
    def provision(self, function: str, count: int) -> None:
        self.world.provision(function, count)

    @rule(function=st.sampled_from(FUNCTIONS), cold=st.booleans())
    def request(self, function: str, cold: bool) -> None:
        self.requests += 1
        self.world.request(f"r{self.requests}", function, cold=cold)

    def pick(self, number: int, *states: InstanceState) -> str | None:
        found = [n for n, i in self.world.scheduler.instances.items() if i.state in states]
        return found[number % len(found)] if found else None

    @rule(number=ANY)
    def sandbox_made(self, number: int) -> None:
        instance = self.pick(number, InstanceState.STARTING)
        if instance and instance not in self.made:
            self.made.add(instance)
            self.world.tell(m.SandboxMade(self.world.now, instance))

    @rule(number=ANY)
    def ready(self, number: int) -> None:
        instance = self.pick(number, InstanceState.STARTING)
        if instance in self.made:
            self.world.poll(instance)

    @rule(number=ANY)
    def init_failed(self, number: int) -> None:
        instance = self.pick(number, InstanceState.STARTING)
        if instance in self.made:
            self.world.tell(m.InitFailed(self.world.now, instance))

    @rule(number=ANY)
    def answer_or_poll(self, number: int) -> None:
        instance = self.pick(number, InstanceState.BUSY)
        if instance:
            running = self.world.scheduler.instances[instance].request
            (self.world.answer if running else self.world.poll)(instance)

    @rule(number=ANY, cause=st.sampled_from(m.Cause), unseen=st.booleans())
    def die(self, number: int, cause: m.Cause, unseen: bool) -> None:
        instance = self.pick(number, *InstanceState)
        if instance:
            self.world.tell(m.Gone(self.world.now, instance, cause, unseen=unseen))

    @rule(number=ANY)
    def stop_done(self, number: int) -> None:
        instance = self.pick(number, InstanceState.STOPPING)
        if instance:
            self.world.gone(instance)

    @rule(number=ANY)
    def late_word(self, number: int) -> None:
        instance = self.pick(number, InstanceState.STOPPING)
        if instance:
            for event in (m.Polled, m.Answered, m.InitFailed, m.SandboxMade, m.TimerFired):
                self.world.tell(event(self.world.now, instance))

    @rule(seconds=st.floats(0.01, 30))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @precondition(lambda self: self.world.timers)
    @rule()
    def early_timer(self) -> None:
        for instance, when in list(self.world.timers.items()):
            if when > self.world.now:
                self.world.tell(m.TimerFired(self.world.now, instance))

    # what must hold

    @invariant()
    def every_request_has_at_most_one_outcome(self) -> None:
        given = [c.request for c in self.world.commands if isinstance(c, m.Dispatch | m.Throttle)]
        assert len(given) == len(set(given)), "dispatched or throttled twice"
        failed = [c.request for c in self.world.commands if isinstance(c, m.Fail)]
        assert len(failed) == len(set(failed)), "failed twice"

    @invariant()
    def every_request_is_accounted_for(self) -> None:
        scheduler = self.world.scheduler
        waiting = [r for f in scheduler.functions.values() for r in f.pending]
        waiting += [i.bound for i in scheduler.instances.values() if i.bound is not None]
        outcome = {r: self.world.outcome(r) for r in (f"r{n}" for n in range(1, self.requests + 1))}
        assert sorted(waiting) == sorted(r for r, o in outcome.items() if o is None)

    @invariant()
    def an_instance_runs_one_request_and_a_request_one_instance(self) -> None:
        running = [i.request for i in self.world.scheduler.instances.values() if i.request is not None]
        assert len(running) == len(set(running))
        for instance in self.world.scheduler.instances.values():
            assert instance.request is None or instance.state is InstanceState.BUSY

    @invariant()
    def leases_are_the_requests_accepted_and_not_done(self) -> None:
        scheduler = self.world.scheduler
        held: Counter[str] = Counter()
        for instance in scheduler.instances.values():
            held[instance.function.pool.name] += (instance.request is not None) + (instance.bound is not None)
        for function in scheduler.functions.values():
            held[function.pool.name] += len(function.pending)
        assert {name: pool.leases for name, pool in scheduler.account.pools.items() if pool.leases} == +held

    @invariant()
    def the_account_is_charged_what_its_pools_are(self) -> None:
        account = self.world.scheduler.account
        assert account._charged == sum(pool.charge for pool in account.pools.values())
        assert set(account.pools) >= {f.pool.name for f in self.world.scheduler.functions.values()}

    @invariant()
    def what_is_to_be_kept_ready_is_there_or_has_failed(self) -> None:
        for name in self.world.scheduler.functions:
            wanted, started, ready, failed = self.world.scheduler.provisioned(name)
            assert ready <= started <= wanted
            assert started == wanted or failed

    @invariant()
    def nobody_waits_without_an_instance_coming(self) -> None:
        for function in self.world.scheduler.functions.values():
            coming = [
                i
                for i in function.instances.values()
                if i.state is InstanceState.STARTING or (i.state is InstanceState.BUSY and i.request is None)
            ]
            assert len(coming) >= len(function.pending)
            assert not (function.pending and function.idle)

    @invariant()
    def nothing_rests_beyond_its_expiry(self) -> None:
        for function in self.world.scheduler.functions.values():
            for instance in function.idle:
                assert instance.state in (InstanceState.IDLE, InstanceState.FROZEN)
                assert instance.version == function.version
                assert instance.provisioned or self.world.now < instance.idle_since + POLICY.idle_expiry_s

    @invariant()
    def whatever_lives_has_a_timer_unless_it_is_being_stopped(self) -> None:
        for name, instance in self.world.scheduler.instances.items():
            timeless = instance.state is InstanceState.STOPPING
            timeless |= instance.provisioned and instance.state is InstanceState.FROZEN
            assert timeless != (name in self.world.timers)

    @invariant()
    def states_follow_the_table(self) -> None:
        for instance in self.world.started:
            states = self.world.states_of(instance)
            assert states[0] is InstanceState.STARTING
            for before, after in pairwise(states):
                assert after in TRANSITIONS[before]

    @invariant()
    def what_is_started_is_stopped_once_at_most(self) -> None:
        assert len(self.world.stopped) == len(set(self.world.stopped))

    def teardown(self) -> None:
        """When all instances end and no time limit is left, nothing is held."""
        for function in FUNCTIONS:
            self.world.tell(m.FunctionDeleted(self.world.now, function))
        for instance in list(self.world.scheduler.instances):
            self.world.gone(instance)
        assert not self.world.scheduler.instances
        assert not self.world.scheduler.account.pools
        for number in range(1, self.requests + 1):
            assert self.world.outcome(f"r{number}") is not None


TestPlatform = Platform.TestCase
TestPlatform.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
