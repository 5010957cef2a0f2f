"""An exercise is checked by deploying what the learner wrote; here in the public fake deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exercise_notebooks import EXERCISES, handler_of
from workbench.deployment import Deployment
from workbench.deployments import fake
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.labs.exercises import Exercise, find
from workbench.labs.magic import keep
from workbench.service import Service

SOLUTIONS = EXERCISES / "solutions"


def deploy(service: Service, pattern: str) -> Deployment:
    return fake.deploy(service)


@pytest.fixture
def exercise() -> Exercise:
    return find("stateless")


def passed(panel_text: str) -> list[bool]:
    return [line.startswith("pass:") for line in panel_text.splitlines() if line.startswith(("pass:", "not yet:"))]


def test_the_solution_passes(exercise: Exercise) -> None:
    exercise.write(handler_of(SOLUTIONS / exercise.notebook))
    panel = exercise.check(deploy)
    assert passed(panel.text) == [True] * 5, panel
    assert panel.kind == "good"
    assert exercise.passed


def test_the_untouched_copy_fails_gently_and_says_what_was_seen(exercise: Exercise) -> None:
    exercise.write(handler_of(EXERCISES / exercise.notebook))
    panel = exercise.check(deploy)
    assert passed(panel.text) == [True, False, False, False, False], panel
    assert "Bob" in panel.text
    assert "expected" in panel.text
    assert not exercise.passed


def test_mending_one_fault_leaves_the_other_to_find(exercise: Exercise) -> None:
    stateless_but_slow = (
        "import catalogue\n\ndef handler(event, context):\n    prices = catalogue.load()\n"
        "    basket = [*event['basket'], event['add']]\n"
        "    return {'basket': basket, 'total': sum(prices[s] for s in basket)}\n"
    )
    exercise.write(stateless_but_slow)
    assert passed(exercise.check(deploy).text) == [True, True, True, True, False]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def handler(event, context:\n    pass\n", "SyntaxError"),
        ("def handler(event, context):\n    return event['nope']\n", "KeyError: 'nope' (app.py, line 2)"),
        ("def other(event, context):\n    return 1\n", "AttributeError"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("def handler(event, context):\n    return 7\n", "it returned 7"),
        ("def handler(event, context):\n    return object()\n", "TypeError"),
        ("def handler(event, context):\n    return {'basket': [], 'total': '1'}\n", "expected 250"),
        ("", "AttributeError"),
    ],
)
def test_wrong_code_is_a_finding_never_a_traceback(exercise: Exercise, source: str, said: str) -> None:
    exercise.write(source)
    panel = exercise.check(deploy)
    assert not any(passed(panel.text))
    assert said in panel.text


def test_a_machine_that_cannot_deploy_is_said_as_such(exercise: Exercise) -> None:
    def cannot(service: Service, pattern: str) -> Deployment:
        raise CapabilityMissing("No sandbox works", "Run it elsewhere")

    exercise.write(handler_of(SOLUTIONS / exercise.notebook))
    assert "could not be tried: No sandbox works" in exercise.check(cannot).text


def test_every_deployment_of_a_check_is_closed(exercise: Exercise) -> None:
    opened: list[fake.FakeDeployment] = []

    def counting(service: Service, pattern: str) -> Deployment:
        opened.append(fake.deploy(service))
        return opened[-1]

    exercise.write(handler_of(EXERCISES / exercise.notebook))
    exercise.check(counting)
    assert opened
    assert all(not d.instances() for d in opened)


def test_before_anything_was_written_the_check_says_what_to_do(exercise: Exercise) -> None:
    assert "Run the cell" in exercise.check(deploy).text


def test_a_handler_that_does_not_compile_is_kept_and_located(exercise: Exercise) -> None:
    panel = exercise.write("x = 1\ndef handler(:\n")
    assert panel.kind == "bad"
    assert "line 2" in panel.text
    assert (exercise.directory / "app.py").read_text() == "x = 1\ndef handler(:\n"


def test_the_magic_keeps_the_cell(exercise: Exercise) -> None:
    keep("stateless ", "def handler(event, context):\n    return 1\n")
    assert "return 1" in (exercise.directory / "app.py").read_text()


def test_the_solution_opens_only_after_it_passed_and_passing_survives(exercise: Exercise, tmp_path: Path) -> None:
    assert "opens when" in exercise.solution(SOLUTIONS).title
    exercise.write(handler_of(SOLUTIONS / exercise.notebook))
    exercise.check(deploy)
    again = find("stateless")
    assert again.passed
    shown = again.solution(SOLUTIONS)
    assert 'basket = [*event["basket"], event["add"]]' in shown.text
    assert "#|" not in shown.text
    assert "<solution>" not in shown.text
    assert "without solutions" in again.solution(tmp_path).text
    again.write("def handler(event, context):\n    return 1\n")
    again.check(deploy)
    assert again.passed, "a later experiment must not take away what was passed"


def test_hints_come_one_by_one_and_are_remembered(exercise: Exercise) -> None:
    box = exercise.show_hints()
    assert "Hint 1" not in box.children[1].value
    box.children[0].click()
    assert "Hint 1" in box.children[1].value
    assert "Hint 2" not in box.children[1].value
    box = find("stateless").show_hints()
    box.children[0].click()
    box.children[0].click()
    assert "Hint 3" in box.children[1].value
    assert box.children[0].disabled
    exercise.write(handler_of(SOLUTIONS / exercise.notebook))
    assert "3 of 3 hints" in exercise.check(deploy).text


def test_an_unknown_exercise_is_named() -> None:
    with pytest.raises(DeploymentError, match="no exercise 'nonsense'"):
        find("nonsense")
