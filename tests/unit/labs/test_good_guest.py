"""Exercise 04 in the public fake deployment: each fault is found, and nothing but a mended handler passes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tests.exercise_notebooks import EXERCISES, handler_of
from workbench.deployment import Deployment
from workbench.deployments import fake
from workbench.labs.exercises import Exercise, find
from workbench.service import Service

SOLUTION = handler_of(EXERCISES / "solutions" / "04_isolation.ipynb")


def deploy(service: Service, pattern: str) -> Deployment:
    return fake.deploy(service)


@pytest.fixture
def exercise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exercise:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return find("good_guest")


def found(exercise: Exercise, source: str) -> tuple[list[bool], str]:
    exercise.write(source)
    text = exercise.check(deploy).text
    assert os.listdir(tempfile.gettempdir()) == [], "the checker is a good guest too"
    return [line.startswith("pass:") for line in text.splitlines() if line.startswith(("pass:", "not yet:"))], text


def test_the_solution_passes(exercise: Exercise) -> None:
    passed, text = found(exercise, SOLUTION)
    assert passed == [True] * 5, text


def test_the_untouched_copy_answers_right_and_is_a_bad_guest(exercise: Exercise) -> None:
    passed, text = found(exercise, handler_of(EXERCISES / exercise.notebook))
    assert passed == [True, False, False, False, False], text
    assert "They left 3 files with 4.0 MB" in text
    assert "in its command line" in text
    assert 'It answered "Ann and Tom said yes"; expected ""' in text


@pytest.mark.parametrize(
    ("was", "becomes", "fails", "said"),
    [
        ("NamedTemporaryFile()", "NamedTemporaryFile(delete=False)", 1, "They left 4 files"),
        ("body.read(PIECE)", "body.read()", 2, "How large may an upload be"),
        ("input=key,", "env={**__import__('os').environ, 'SIGN_KEY': key},", 3, "in its environment"),
        ("input=key,", "env={'SIGN_KEY': key},", 3, "in its environment"),
        ("file.name]", "file.name, '--key', vault.signing_key()]", 3, "/proc/PID/cmdline"),
        ("    body, size", "    seen.append(event)\n    body, size", 4, "still has it, in seen"),
    ],
)
def test_each_fault_alone_is_found(exercise: Exercise, was: str, becomes: str, fails: int | None, said: str) -> None:
    assert was in SOLUTION
    passed, text = found(exercise, SOLUTION.replace(was, becomes).replace("PIECE =", "seen = []\nPIECE =", 1))
    assert passed == [place != fails for place in range(5)], text
    assert said in text


def test_a_caption_overwritten_only_when_there_is_one_is_found(exercise: Exercise) -> None:
    source = SOLUTION.replace('event.get("caption", "")', "job['caption']").replace(
        "    body, size", "    job.update(event)\n    body, size"
    )
    passed, text = found(exercise, "job = {'caption': ''}\n" + source)
    assert passed == [True, True, True, True, False], text


def test_signing_without_another_process_is_as_good(exercise: Exercise) -> None:
    own = (
        "import hmac, store, vault\n\n\ndef handler(event, context):\n"
        "    body, size = store.get(event['upload']), 0\n"
        "    mac = hmac.new(vault.signing_key().encode(), digestmod='sha256')\n"
        "    while piece := body.read(65536):\n"
        "        if not size and piece[:4] != b'PIC1':\n            return {'error': 'not a picture'}\n"
        "        size += len(piece)\n        mac.update(piece)\n"
        "    return {'bytes': size, 'caption': event.get('caption', ''), 'signature': mac.hexdigest()}\n"
    )
    passed, text = found(exercise, own)
    assert passed == [True] * 5, text
    assert "without another process" in text


@pytest.mark.parametrize("answer", ["7", "{'error': 'busy'}"])
def test_refusing_everything_passes_nothing_that_needs_a_picture(exercise: Exercise, answer: str) -> None:
    passed, text = found(exercise, f"def handler(event, context):\n    return {answer}\n")
    assert passed[0] is passed[2] is passed[3] is passed[4] is False, text
    assert "For a picture it must return" in text


def test_a_directory_left_behind_is_found(exercise: Exercise) -> None:
    source = SOLUTION.replace("    body, size", "    tempfile.mkdtemp()\n    body, size")
    passed, text = found(exercise, source)
    assert passed == [True, False, True, True, True], text


def test_a_key_in_a_file_is_found(exercise: Exercise) -> None:
    """A file is in the lab's list of places that a neighbour read, even when it goes in the end."""
    source = SOLUTION.replace("input=key", "stdin=handed").replace(
        "        done =",
        "        handed = tempfile.NamedTemporaryFile('w+')\n"
        "        handed.write(key)\n        handed.seek(0)\n        done =",
    )
    passed, text = found(exercise, source)
    assert passed == [True, True, True, False, True], text
    assert "in its file" in text


def test_what_was_left_under_another_name_is_found(exercise: Exercise) -> None:
    source = SOLUTION.replace(
        "        file.flush()",
        "        file.flush()\n        other = tempfile.mktemp()\n        __import__('os').rename(file.name, other)\n"
        "        open(file.name, 'wb').write(open(other, 'rb').read())",
    )
    passed, text = found(exercise, source)
    assert passed[1] is False, text


def test_what_the_next_customer_could_read_in_tmp_is_found(exercise: Exercise) -> None:
    """A file that is written only where there is a caption, which is when the other checks do not look."""
    source = SOLUTION.replace(
        "    body, size",
        "    if event.get('caption'):\n        tempfile.mkstemp(prefix=event['caption'])\n    body, size",
    )
    passed, text = found(exercise, source)
    assert passed == [True, True, True, True, False], text
    assert "the instance still has it, in /" in text
