"""Exercise 02 in the public fake deployment, which has no snapshots; with them: tests/functional/test_exercises.py."""

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
    return find("quick_start")


def passed(text: str) -> list[bool]:
    return [line.startswith("pass:") for line in text.splitlines() if line.startswith(("pass:", "not yet:"))]


def test_the_solution_passes(exercise: Exercise) -> None:
    exercise.write(handler_of(EXERCISES / "solutions" / exercise.notebook))
    panel = exercise.check(deploy)
    assert passed(panel.text) == [True] * 5, panel
    assert exercise.passed


def test_where_there_are_no_snapshots_the_check_says_that_they_were_not_tried(exercise: Exercise) -> None:
    exercise.write(handler_of(EXERCISES / "solutions" / exercise.notebook))
    assert "were not tried" in exercise.check(deploy).text


def test_the_untouched_copy_is_right_but_slow(exercise: Exercise) -> None:
    exercise.write(handler_of(EXERCISES / exercise.notebook))
    panel = exercise.check(deploy)
    assert passed(panel.text) == [True, True, False, False, True], panel
    assert "expected 0" in panel.text
    assert "What in it does an order at home not need?" in panel.text


HEAD = "import customs, itertools, secrets\n"
ORDER = "    return {'order': secrets.token_hex(4), 'total': event['net'] + duty}\n"


def test_work_that_is_done_again_for_each_order_is_found(exercise: Exercise) -> None:
    exercise.write(
        f"{HEAD}def handler(event, context):\n"
        f"    duty = event['net'] * customs.load()[event['to']] // 100 if 'to' in event else 0\n{ORDER}"
    )
    panel = exercise.check(deploy)
    assert passed(panel.text) == [True, True, False, True, True], panel
    assert (
        "Then it got 3 orders abroad. How often has it worked out the duties? It answered 3; expected 1." in panel.text
    )


def test_leaving_out_the_rare_case_is_found(exercise: Exercise) -> None:
    exercise.write(f"{HEAD}def handler(event, context):\n    duty = 0\n{ORDER}")
    assert passed(exercise.check(deploy).text) == [True, False, False, True, True]


def test_a_number_that_comes_again_is_found(exercise: Exercise) -> None:
    exercise.write(
        f"{HEAD}numbers = itertools.count(1)\ndef handler(event, context):\n"
        "    return {'order': next(numbers), 'total': event['net']}\n"
    )
    panel = exercise.check(deploy)
    assert passed(panel.text)[-1] is False
    assert "1 was given out more than once" in panel.text


@pytest.mark.parametrize(("returned", "said"), [("7", "it returned 7"), ("{'total': 1000}", 'it returned {"total"')])
def test_an_answer_of_another_form_is_said(exercise: Exercise, returned: str, said: str) -> None:
    exercise.write(f"def handler(event, context):\n    return {returned}\n")
    panel = exercise.check(deploy)
    assert said in panel.text
    assert not passed(panel.text)[0]
