"""Pauses between restarts, and a history that stays bounded while something crashes for days."""

from __future__ import annotations

import pytest

from workbench.deployments import history
from workbench.deployments.supervision import BACKOFF_S, HEALTHY_S, BackOff, Supervision, Uptime
from workbench.errors import InvalidTransition
from workbench.instance import InstanceState


def test_the_pause_grows_while_it_keeps_crashing_and_then_stays() -> None:
    back_off = BackOff()
    pauses = [back_off.pause_s(0.5) for _ in range(len(BACKOFF_S) + 2)]
    assert pauses == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]


def test_a_healthy_time_begins_it_again() -> None:
    back_off = BackOff()
    for _ in range(4):
        back_off.pause_s(0.1)
    assert back_off.pause_s(HEALTHY_S) == BACKOFF_S[0]
    assert back_off.pause_s(HEALTHY_S - 0.1) == BACKOFF_S[1]


def test_survivors_are_those_that_took_nobodys_place() -> None:
    uptimes = (Uptime("a", 3.0, 10.0, True), Uptime("b", 1.0, None, False), Uptime("c", 3.0, 12.0, True))
    assert Supervision(ended=1, restarts=1, instances=uptimes).survivors == 2


def test_the_history_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "KEPT_EVENTS", 30)
    monkeypatch.setattr(history, "KEPT_ENDED", 5)
    told = history.History()
    for number in range(50):
        for state in (InstanceState.STARTING, InstanceState.IDLE, InstanceState.FAILED):
            told.record(f"i-{number}", state)
    assert len(told.events()) == 30
    assert told.ended("i-45")
    with pytest.raises(KeyError):
        told.state("i-44")


def test_a_move_that_the_table_does_not_have_is_refused_with_its_way() -> None:
    told = history.History()
    told.record("i", InstanceState.STARTING)
    told.record("i", InstanceState.STOPPING)
    with pytest.raises(InvalidTransition, match="starting → stopping"):
        told.record("i", InstanceState.IDLE)
