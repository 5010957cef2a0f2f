"""Exercises on the real platform, for what the fake deployment cannot show: snapshots, real boxes and their /tmp."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exercise_notebooks import EXERCISES, handler_of
from tests.needs import needs
from workbench.labs.exercises import Exercise, find

pytestmark = [needs("namespaces"), pytest.mark.timeout(180)]

UNSAFE = """
import functools, itertools, secrets
import customs

duties = functools.cache(customs.load)
series, counter = secrets.token_hex(4), itertools.count(1)


def handler(event, context):
    duty = event["net"] * duties()[event["to"]] // 100 if "to" in event else 0
    return {"order": f"{series}-{next(counter)}", "total": event["net"] + duty}
"""
DRAWN_IN_THE_HANDLER = UNSAFE.replace('f"{series}-{next(counter)}"', "secrets.token_hex(8)")


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("quick_start")


def found(exercise: Exercise, source: str) -> tuple[list[bool], str]:
    exercise.write(source)
    text = exercise.check().text
    return [x.startswith("pass:") for x in text.splitlines() if x.startswith(("pass:", "not yet:"))], text


def test_the_solution_passes_with_instances_of_a_snapshot(exercise: Exercise) -> None:
    passed, text = found(exercise, handler_of(EXERCISES / "solutions" / exercise.notebook))
    assert passed == [True] * 5, text
    assert "two instances from one snapshot" in text


def test_a_number_drawn_for_each_order_is_safe_too(exercise: Exercise) -> None:
    passed, text = found(exercise, DRAWN_IN_THE_HANDLER)
    assert passed == [True] * 5, text


def test_the_untouched_copy_fails_in_what_the_exercise_is_about(exercise: Exercise) -> None:
    passed, text = found(exercise, handler_of(EXERCISES / exercise.notebook))
    assert passed == [True, True, False, False, False], text


def test_a_quick_start_is_not_yet_a_safe_one(exercise: Exercise) -> None:
    passed, text = found(exercise, UNSAFE)
    assert passed == [True, True, True, True, False], text
    assert "restored from one snapshot" in text
    assert "was given out more than once" in text


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("good_guest")


def test_a_good_guest_passes_in_a_real_box(guest: Exercise) -> None:
    passed, text = found(guest, handler_of(EXERCISES / "solutions" / guest.notebook))
    assert passed == [True] * 5, text


def test_the_given_guest_fails_in_all_that_the_exercise_is_about(guest: Exercise) -> None:
    passed, text = found(guest, handler_of(EXERCISES / guest.notebook))
    assert passed == [True, False, False, False, False], text


@pytest.fixture
def reporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("honest_report")


def test_a_report_is_caught_at_exactly_the_lies_that_it_tells(reporter: Exercise) -> None:
    honest = handler_of(EXERCISES / "solutions" / reporter.notebook)
    from_sent = honest.replace('request["planned_s"]', 'request["sent_s"]')
    assert from_sent != honest
    forgetful = from_sent.replace("unanswered = len(requests) - len(answered)", "unanswered = 0")
    passed, text = found(reporter, forgetful)
    assert passed == [True, False, True, False, True], text
    assert "the till stood still for 500 ms" in text


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("batches")


def test_a_handler_of_batches_passes_and_the_listener_does_not(desk: Exercise) -> None:
    passed, text = found(desk, handler_of(EXERCISES / "solutions" / desk.notebook))
    assert passed == [True] * 5, text
    passed, text = found(desk, handler_of(EXERCISES / desk.notebook))
    assert passed == [False] * 5, text
    assert "missed heartbeats" in text


@pytest.mark.parametrize(
    ("was", "becomes", "fails", "said"),
    [
        (
            'book(message["basicProperties"]["messageId"],',
            "book(__import__('uuid').uuid4().hex,",
            {1, 3, 4},
            "came again",
        ),
        (
            'book(message["basicProperties"]["messageId"],',
            'book(message["data"],',
            {2, 4},
            "Three messages said the same",
        ),
        ("            book(", '            message["redelivered"] or book(', {2, 3}, "another desk had been given"),
        (
            "    ledger.write(key, cents)",
            "    try: ledger.write(key, cents)\n    except OSError: pass",
            {3},
            "for ever",
        ),
        ("        ledger.set_aside(key, error)\n", "        pass\n", {4}, "Which was set aside?"),
        ("except (ValueError, KeyError) as error", "except KeyError as error", {4}, "never reached"),
    ],
)
def test_each_fault_of_a_handler_of_batches_is_found(
    desk: Exercise, was: str, becomes: str, fails: set[int], said: str
) -> None:
    solution = handler_of(EXERCISES / "solutions" / desk.notebook)
    assert was in solution
    passed, text = found(desk, solution.replace(was, becomes))
    assert passed == [place not in fails for place in range(5)], text
    assert said in text


@pytest.fixture
def booker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "learner"))
    return find("at_least_once")


def test_the_given_booker_books_what_comes_again_again(booker: Exercise) -> None:
    passed, text = found(booker, handler_of(EXERCISES / booker.notebook))
    assert passed == [True, False, False, False, True], text
    assert "For twice-1, [500, 500" in text


def test_memory_is_no_ledger_and_a_bucket_reads_no_answer(booker: Exercise) -> None:
    mended = handler_of(EXERCISES / "solutions" / booker.notebook)
    in_memory = mended.replace(
        'ledger.book(order["id"], order["id"], order["cents"])',
        'booked.add(order["id"]) if order["id"] in booked else ledger.book(name(record), order["id"], order["cents"])\n'
        '            booked.add(order["id"])',
    ).replace("def handler", "booked = set()\n\n\ndef handler")
    silent = in_memory.replace(
        "    return record[", '    return record["s3"]["object"]["key"] if "s3" in record else record['
    )
    passed, text = found(booker, silent.replace("raise  #", "pass  #"))
    assert passed == [True, False, True, True, False], text
    assert "Then their instance crashed" in text
