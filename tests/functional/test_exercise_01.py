"""Exercise 01 in plain processes, where nothing but the checker holds a directory read-only: its strictest case.

That the solution passes there, and in the best boxes there are, is seen where its notebook is run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.exercise_notebooks import EXERCISES, handler_of
from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.labs.exercises import Exercise, find
from workbench.service import Service

pytestmark = pytest.mark.timeout(180)

SOLUTION = handler_of(EXERCISES / "solutions" / "01_anywhere.ipynb")
READ_ONLY = "It writes nothing"
ELSEWHERE = "It finds its price list"
HEALTH = "GET /health tells"
ROLLOUT = "All of it"
LIST = "prices = read()"


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("anywhere")


def in_processes(service: Service, pattern: str) -> Deployment:
    return deploy(service, pattern, sandbox="process")


def found(exercise: Exercise, source: str, *titles: str) -> tuple[list[bool], str]:
    """What the checks whose titles begin so say of `source`; all of them without titles."""
    chosen = replace(exercise, checks=tuple(c for c in exercise.checks if c.title.startswith(titles or "")))
    chosen.write(source)
    text = chosen.check(in_processes).text
    return [x.startswith("pass:") for x in text.splitlines() if x.startswith(("pass:", "not yet:"))], text


def changed(old: str, new: str) -> str:
    assert old in SOLUTION
    return SOLUTION.replace(old, new)


def test_the_untouched_copy_fails_in_each_check_for_what_it_is_about(exercise: Exercise) -> None:
    passed, text = found(exercise, handler_of(EXERCISES / exercise.notebook))
    assert passed == [True] + [False] * 6, text
    seen = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    for place, reason in enumerate(
        (
            "750",
            "No such file",
            "Read-only file system: 'prices.json'",
            "CURRENCY=NOK",
            "KeyError: 'sku'",
            "502",
            "file",
        )
    ):
        assert reason in seen[place]


def test_a_file_in_the_temporary_directory_is_as_good_as_memory(exercise: Exercise) -> None:
    kept = changed(LIST, "import tempfile\n(Path(tempfile.gettempdir()) / 'seen').write_text('x')\nprices = read()")
    passed, text = found(exercise, kept, READ_ONLY)
    assert passed == [True], text


@pytest.mark.parametrize(
    "write",
    [
        "LIST.with_name('seen').write_text('x')",
        "os.mkdir('kept')",
        "os.replace(LIST, LIST.with_name('old.csv'))",
        "os.close(os.open('seen', os.O_CREAT | os.O_RDWR))",
    ],
)
def test_no_way_of_writing_beside_the_code_is_let_through(exercise: Exercise, write: str) -> None:
    passed, text = found(exercise, changed(LIST, f"{LIST}\n{write}"), READ_ONLY)
    assert passed == [False], text
    assert "Read-only file system" in text


def test_prices_copied_into_the_handler_are_found_out(exercise: Exercise) -> None:
    passed, text = found(exercise, changed(LIST, "prices = {'A1': 250}"), ELSEWHERE, HEALTH)
    assert passed == [False, False], text
    assert "900" in text


def test_a_health_path_that_is_always_content_lets_a_bad_version_in(exercise: Exercise) -> None:
    passed, text = found(exercise, changed("200 if prices else 503", "200"), HEALTH, ROLLOUT)
    assert passed == [False, False], text
    assert "has replaced the one that worked" in text


def test_one_that_only_looks_whether_the_file_is_there_is_found_out(exercise: Exercise) -> None:
    passed, text = found(exercise, changed("200 if prices else 503", "200 if LIST.exists() else 503"), HEALTH)
    assert passed == [False], text
    assert "a price list without any price" in text


def test_one_that_cannot_start_without_its_list_is_told_to_start_and_say_so(exercise: Exercise) -> None:
    passed, text = found(exercise, changed("if not LIST.exists():", "if False:"), HEALTH)
    assert passed == [False], text
    assert "Let it start, and say 503." in text
