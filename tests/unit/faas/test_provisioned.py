"""Provisioned concurrency, pools of several versions, and how fast a function may grow."""

from __future__ import annotations

from tests.unit.faas.world import World
from workbench.faas import messages as m
from workbench.faas.scheduler import Policy
from workbench.instance import InstanceState


def ready(world: World, function: str, count: int) -> list[str]:
    world.provision(function, count)
    for instance in world.starting():
        world.make_ready(instance)
    return world.started[-count:]


def test_provisioned_instances_are_started_ahead_of_need_and_do_not_expire() -> None:
    world = World().with_function("f")
    instances = ready(world, "f", 2)
    world.pass_time(10_000)
    assert [world.state(i) for i in instances] == [InstanceState.FROZEN] * 2
    assert world.scheduler.provisioned("f") == (2, 2, 2, "")


def test_a_request_takes_a_provisioned_instance_first_and_it_is_not_cold() -> None:
    world = World().with_function("f")
    (provisioned,) = ready(world, "f", 1)
    world.request("r1", "f")
    spilled = world.serve("r2", "f")
    world.answer(provisioned)
    world.poll(provisioned)
    world.request("r3", "f")
    assert world.outcome("r1") == m.Dispatch(provisioned, "r1", False, world.now + 3)
    assert spilled != provisioned
    assert world.instance_of("r3") == provisioned


def test_a_provisioned_instance_that_ends_is_replaced() -> None:
    world = World().with_function("f")
    (instance,) = ready(world, "f", 1)
    world.gone(instance)
    assert len(world.starting()) == 1
    assert world.scheduler.provisioned("f") == (1, 1, 0, "")


def test_when_init_fails_no_other_is_tried_until_the_wish_is_renewed() -> None:
    world = World().with_function("f")
    world.provision("f", 2)
    for instance in world.starting():
        world.tell(m.SandboxMade(world.now, instance))
        world.tell(m.InitFailed(world.now, instance))
    assert not world.starting()
    assert world.scheduler.provisioned("f") == (2, 0, 0, "init error")
    world.provision("f", 1)
    assert len(world.starting()) == 1


def test_lowering_stops_the_surplus() -> None:
    world = World().with_function("f")
    ready(world, "f", 3)
    world.provision("f", 1)
    assert len(world.stopped) == 2
    world.provision("f", 0)
    assert len(world.stopped) == 3


def test_what_is_kept_ready_counts_against_the_account_whether_used_or_not() -> None:
    world = World(Policy(account_concurrency=3)).with_function("f").with_function("g")
    ready(world, "f", 2)
    world.request("r1", "g")
    world.request("r2", "g")
    world.request("r3", "f")
    world.request("r4", "f")
    assert world.throttled == {"r2": m.Limit.ACCOUNT}


def test_versions_of_one_name_share_its_reserved_concurrency() -> None:
    world = World()
    world.tell(m.FunctionPut(world.now, "f", "a", 3.0, "f"))
    world.tell(m.FunctionPut(world.now, "f:1", "b", 3.0, "f"))
    world.tell(m.ConcurrencySet(world.now, "f", 1))
    world.request("r1", "f")
    world.request("r2", "f:1")
    assert world.throttled == {"r2": m.Limit.FUNCTION}


def test_a_function_grows_no_faster_than_its_burst_rate() -> None:
    world = World(Policy(burst=2, burst_period_s=10)).with_function("f").with_function("g")
    for request in ("r1", "r2", "r3"):
        world.request(request, "f")
    world.request("r4", "g")
    assert world.throttled == {"r3": m.Limit.BURST}
    world.pass_time(5)
    world.request("r5", "f")
    assert len(world.starting()) == 4


def test_a_request_that_an_instance_is_coming_for_needs_no_start() -> None:
    world = World(Policy(burst=1, burst_period_s=1000)).with_function("f")
    instance = world.serve("r1", "f")
    world.request("r2", "f")
    world.answer(instance)
    world.request("r3", "f")  # the instance is about to ask for more
    world.poll(instance)
    assert not world.throttled
    assert world.instance_of("r3") == instance
