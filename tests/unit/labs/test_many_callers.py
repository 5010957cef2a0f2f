"""Exercise 03 in the public fake deployment, which calls the handler in threads of one process, many at a time."""

from __future__ import annotations

import pytest

from tests.exercise_notebooks import EXERCISES, handler_of
from workbench.deployment import Deployment
from workbench.deployments import fake
from workbench.labs.exercises import Exercise, find
from workbench.service import Service


def deploy(service: Service, pattern: str) -> Deployment:
    return fake.deploy(service)


@pytest.fixture
def exercise() -> Exercise:
    return find("many_callers")


def passed(exercise: Exercise, source: str) -> list[bool]:
    exercise.write(source)
    text = exercise.check(deploy).text
    return [line.startswith("pass:") for line in text.splitlines() if line.startswith(("pass:", "not yet:"))]


def test_the_solution_passes(exercise: Exercise) -> None:
    assert passed(exercise, handler_of(EXERCISES / "solutions" / exercise.notebook)) == [True] * 6
    assert exercise.passed


def test_the_untouched_copy_keeps_a_note_and_stands_in_one_line(exercise: Exercise) -> None:
    found = passed(exercise, handler_of(EXERCISES / exercise.notebook))
    assert found == [True, False, False, False, True, True]


NO_SEATS = """
import warehouse

def handler(event, context):
    note = {"note": event["note"]} if "note" in event else {}
    return {"sku": event["sku"], "left": warehouse.ask(event["sku"]) - event["quantity"], **note}
"""
KEPT_SEATS = """
import threading, warehouse

seats = threading.Semaphore(4)

def handler(event, context):
    if not seats.acquire(timeout=1):
        raise TimeoutError("no seat came free")
    there = warehouse.ask(event["sku"])
    seats.release()
    note = {"note": event["note"]} if "note" in event else {}
    return {"sku": event["sku"], "left": there - event["quantity"], **note}
"""
MIXED_UP = """
import threading, warehouse

seats, order = threading.Semaphore(4), {}

def handler(event, context):
    order.clear()
    order.update(event)
    with seats:
        order["left"] = warehouse.ask(order["sku"]) - order["quantity"]
    return {key: order[key] for key in ("sku", "left", "note") if key in order}
"""


def test_without_seats_the_warehouse_turns_callers_away(exercise: Exercise) -> None:
    assert passed(exercise, NO_SEATS)[4] is False


def test_a_seat_that_a_failure_keeps_is_missed_by_the_next(exercise: Exercise) -> None:
    assert passed(exercise, KEPT_SEATS) == [True, True, True, True, True, False]


def test_what_two_callers_share_mixes_them_up(exercise: Exercise) -> None:
    assert passed(exercise, MIXED_UP)[2] is False


def test_a_handler_that_raises_is_told_what(exercise: Exercise) -> None:
    exercise.write("def handler(event, context):\n    return event['nothing']\n")
    assert "KeyError: 'nothing'" in exercise.check(deploy).text
