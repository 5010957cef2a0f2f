"""The scheduler's rules, one by one. The world around it is `World`, which does what the commands say."""

from __future__ import annotations

import pytest

from tests.unit.faas.world import World
from workbench.errors import InvalidTransition
from workbench.faas import messages as m
from workbench.faas.scheduler import Policy
from workbench.instance import InstanceState


def test_a_request_without_an_instance_starts_one_and_runs_on_it() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    (instance,) = world.starting()
    assert world.outcome("r1") is None
    world.make_ready(instance)
    assert world.outcome("r1") == m.Dispatch(instance, "r1", True, world.now + 3)


def test_a_warm_instance_is_reused_and_is_not_cold() -> None:
    world = World().with_function("f")
    world.serve("r1", "f")
    world.request("r2", "f")
    dispatch = world.outcome("r2")
    assert isinstance(dispatch, m.Dispatch)
    assert not dispatch.cold
    assert len(world.started) == 1


def test_the_newest_idle_instance_is_taken_first() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.request("r2", "f")
    old, new = world.started
    for instance in (new, old):
        world.make_ready(instance)
    for instance in (new, old):  # the old one becomes idle last
        world.answer(instance)
        world.poll(instance)
    world.request("r3", "f")
    assert world.instance_of("r3") == new


def test_a_request_that_a_dead_instance_cannot_have_seen_runs_on_another() -> None:
    world = World().with_function("f")
    instance = world.serve("r1", "f")
    world.request("r2", "f")
    world.tell(m.Gone(world.now, instance, unseen=True))
    (other,) = world.starting()
    assert world.outcome("r2") is None
    world.make_ready(other)
    assert world.instance_of("r2") == other


def test_two_requests_at_once_get_two_instances() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.request("r2", "f")
    assert len(world.starting()) == 2


def test_a_waiting_request_is_served_by_whichever_instance_is_free_first() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    (first,) = world.started
    world.make_ready(first)
    world.request("r2", "f")
    second = world.started[1]
    world.answer(first)
    world.poll(first)
    assert world.instance_of("r2") == first
    world.make_ready(second)
    assert world.state(second) is InstanceState.IDLE


def test_an_instance_that_answered_but_did_not_poll_yet_saves_a_cold_start() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    (instance,) = world.started
    world.make_ready(instance)
    world.answer(instance)
    world.request("r2", "f")
    assert len(world.started) == 1
    assert world.outcome("r2") is None
    world.poll(instance)
    assert world.instance_of("r2") == instance


def test_the_lease_ends_with_the_answer_not_with_the_next_poll() -> None:
    world = World().with_function("f", reserved=1)
    world.request("r1", "f")
    world.make_ready(world.started[0])
    world.answer(world.started[0])
    world.request("r2", "f")
    assert not isinstance(world.outcome("r2"), m.Throttle)


def test_an_idle_instance_is_frozen_thawed_for_a_request_and_expires() -> None:
    world = World(Policy(idle_expiry_s=10, freeze_after_s=1)).with_function("f")
    instance = world.serve("r1", "f")
    world.pass_time(1)
    assert world.state(instance) is InstanceState.FROZEN
    world.request("r2", "f")
    assert [type(c) for c in world.last if not isinstance(c, m.Moved | m.SetTimer)] == [m.Thaw, m.Dispatch]
    world.answer(instance)
    world.poll(instance)
    world.pass_time(9.9)
    assert world.state(instance) is InstanceState.FROZEN
    world.pass_time(0.2)
    assert world.state(instance) is InstanceState.STOPPING


def test_a_frozen_instance_is_not_thawed_to_be_stopped_twice() -> None:
    world = World(Policy(idle_expiry_s=5, freeze_after_s=1)).with_function("f")
    instance = world.serve("r1", "f")
    world.pass_time(20)
    assert world.stopped == [instance]
    world.gone(instance)
    assert world.states_of(instance)[-2:] == [InstanceState.STOPPING, InstanceState.STOPPED]


def test_a_timeout_fails_the_request_and_ends_the_instance() -> None:
    world = World().with_function("f", timeout_s=3)
    world.request("r1", "f")
    (instance,) = world.started
    world.make_ready(instance)
    world.pass_time(2.9)
    assert isinstance(world.outcome("r1"), m.Dispatch)
    world.pass_time(0.2)
    assert world.failures == {"r1": m.Cause.TIMEOUT}
    assert world.stopped == [instance]
    world.request("r2", "f")
    assert len(world.started) == 2


def test_an_instance_that_answered_and_never_polls_again_is_ended_without_failing_anyone() -> None:
    world = World().with_function("f", timeout_s=3)
    world.request("r1", "f")
    world.make_ready(world.started[0])
    world.answer(world.started[0])
    world.request("r2", "f")
    world.pass_time(4)
    assert world.failures == {}
    assert len(world.starting()) == 1, "the one that waits for it gets another"


@pytest.mark.parametrize("reserved", [0, 1, 3])
def test_reserved_concurrency_throttles_beyond_it(reserved: int) -> None:
    world = World().with_function("f", reserved=reserved)
    for number in range(reserved + 2):
        world.request(f"r{number}", "f")
    assert world.throttled == {f"r{n}": m.Limit.FUNCTION for n in (reserved, reserved + 1)}


def test_account_concurrency_is_shared_by_functions_without_a_reservation() -> None:
    world = World(Policy(account_concurrency=3)).with_function("f").with_function("g").with_function("h", reserved=1)
    for name, function in (("r1", "f"), ("r2", "g"), ("r3", "f"), ("r4", "h")):
        world.request(name, function)
    assert world.throttled == {"r3": m.Limit.ACCOUNT}


def test_a_lifted_reservation_counts_at_once() -> None:
    world = World().with_function("f", reserved=0)
    world.tell(m.ConcurrencySet(world.now, "f", None))
    world.request("r1", "f")
    assert world.throttled == {}


def test_a_forced_cold_start_waits_for_its_own_instance_and_replaces_the_others() -> None:
    world = World().with_function("f")
    old = world.serve("r1", "f")
    world.request("r2", "f", cold=True)
    assert world.outcome("r2") is None
    new = world.started[1]
    world.make_ready(new)
    dispatch = world.outcome("r2")
    assert dispatch == m.Dispatch(new, "r2", True, world.now + 3)
    assert world.state(old) is InstanceState.IDLE, "not before the cold answer is there"
    world.answer(new)
    assert world.stopped == [old]
    world.poll(new)
    assert world.state(new) is InstanceState.IDLE


def test_a_busy_instance_finishes_before_a_cold_start_replaces_it() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    old = world.started[0]
    world.make_ready(old)
    world.request("r2", "f", cold=True)
    new = world.started[1]
    world.make_ready(new)
    world.answer(new)
    assert world.stopped == []
    world.answer(old)
    assert world.stopped == [old]


def test_an_instance_meant_for_a_cold_request_serves_no_other_first() -> None:
    world = World().with_function("f")
    world.request("r1", "f", cold=True)
    world.request("r2", "f")
    mine, other = world.started
    world.make_ready(mine)
    assert world.instance_of("r1") == mine
    world.make_ready(other)
    assert world.instance_of("r2") == other


def test_an_init_error_fails_the_request_that_the_instance_was_started_for_and_no_other() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.request("r2", "f")
    bad, good = world.started
    world.tell(m.InitFailed(world.now, bad))
    assert world.failures == {"r1": m.Cause.INIT_ERROR}
    assert bad in world.stopped
    world.make_ready(good)
    assert world.instance_of("r2") == good


def test_a_failing_init_after_its_request_was_served_elsewhere_fails_nobody() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    first = world.started[0]
    world.make_ready(first)
    world.request("r2", "f")
    world.answer(first)
    world.poll(first)
    world.gone(world.started[1], m.Cause.EXIT)
    assert world.failures == {}


def test_a_crash_fails_only_the_request_that_ran_there() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.request("r2", "f")
    for instance in list(world.started):
        world.make_ready(instance)
    world.gone(world.started[0], m.Cause.EXIT)
    assert world.failures == {"r1": m.Cause.EXIT}


def test_a_sandbox_that_cannot_be_made_fails_its_request_and_not_forever() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.gone(world.started[0], m.Cause.LAUNCH)
    assert world.failures == {"r1": m.Cause.LAUNCH}
    assert len(world.started) == 1


def test_a_slow_init_is_tried_once_more_under_the_functions_timeout() -> None:
    world = World(Policy(init_s=10)).with_function("f", timeout_s=30)
    world.request("r1", "f")
    world.tell(m.SandboxMade(world.now, world.started[0]))
    world.pass_time(10.1)
    assert world.failures == {}
    first, second = world.started
    assert world.stopped == [first]
    world.tell(m.SandboxMade(world.now, second))
    world.pass_time(29)
    assert world.failures == {}
    world.pass_time(1.1)
    assert world.failures == {"r1": m.Cause.TIMEOUT}
    assert len(world.started) == 2


def test_an_update_retires_the_instances_of_the_old_version_and_drains_the_busy_one() -> None:
    world = World().with_function("f")
    idle = world.serve("r0", "f")
    world.request("r1", "f")
    world.request("r2", "f")
    assert world.instance_of("r1") == idle
    busy, coming = idle, world.started[1]
    world.tell(m.FunctionPut(world.now, "f", "v2", 3))
    assert world.stopped == [coming]
    replacement = world.started[2]
    assert world.version_of(replacement) == "v2"
    world.answer(busy)
    assert busy in world.stopped
    world.make_ready(replacement)
    assert world.instance_of("r2") == replacement


def test_a_deleted_function_fails_what_waits_and_lets_finish_what_runs() -> None:
    world = World().with_function("f")
    world.request("r1", "f")
    world.make_ready(world.started[0])
    world.request("r2", "f")
    world.request("r3", "f", cold=True)
    world.tell(m.FunctionDeleted(world.now, "f"))
    assert world.failures == {"r2": m.Cause.DELETED, "r3": m.Cause.DELETED}
    world.answer(world.started[0])
    assert sorted(world.stopped) == sorted(world.started)
    world.request("r4", "f")
    assert world.failures["r4"] is m.Cause.DELETED


def test_a_word_from_an_unknown_instance_is_nothing() -> None:
    assert World().tell(m.Polled(0.0, "stranger")) == []


def test_an_impossible_event_is_refused_by_name() -> None:
    world = World().with_function("f")
    instance = world.serve("r1", "f")
    with pytest.raises(InvalidTransition, match=instance):
        world.tell(m.Answered(world.now, instance))


def test_what_a_deleted_function_still_runs_counts_for_the_account() -> None:
    world = World(Policy(account_concurrency=1)).with_function("f").with_function("g")
    world.request("r1", "f")
    world.make_ready(world.started[0])
    world.tell(m.FunctionDeleted(world.now, "f"))
    world.request("r2", "g")
    assert world.throttled == {"r2": m.Limit.ACCOUNT}
    world.answer(world.started[0])
    world.request("r3", "g")
    assert "r3" not in world.throttled
