"""The labs and the exercises' solutions run as they are, cell by cell, and print what is stored in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import unprivileged
from tests.needs import browser_path, needs
from tests.notebooks.killed import remove_empty_session_directories
from workbench.isolation import best, techniques
from workbench.labs import box

pytestmark = pytest.mark.timeout(300)  # a lab measures; other tests may be running beside it

PROJECT = Path(__file__).resolve().parents[2]
LABS = {
    "lab00": PROJECT / "notebooks" / "00_start_here.ipynb",
    "lab01": PROJECT / "notebooks" / "01_package_and_deploy.ipynb",
    "lab02": PROJECT / "notebooks" / "02_cold_start.ipynb",
    "lab03": PROJECT / "notebooks" / "03_scaling.ipynb",
    "lab03b": PROJECT / "notebooks" / "03b_how_measurements_lie.ipynb",
    "lab04": PROJECT / "notebooks" / "04_isolation.ipynb",
    "lab06": PROJECT / "notebooks" / "06_four_ways.ipynb",
    "lab07": PROJECT / "notebooks" / "07_where_it_stops.ipynb",
}
STUDENTS = {
    "stateless": PROJECT / "exercises" / "00_stateless.ipynb",
    "anywhere": PROJECT / "exercises" / "01_anywhere.ipynb",
    "quick_start": PROJECT / "exercises" / "02_cold_start.ipynb",
    "many_callers": PROJECT / "exercises" / "03_scaling.ipynb",
    "honest_report": PROJECT / "exercises" / "03b_how_measurements_lie.ipynb",
    "good_guest": PROJECT / "exercises" / "04_isolation.ipynb",
    "at_least_once": PROJECT / "exercises" / "06_four_ways.ipynb",
    "batches": PROJECT / "exercises" / "07_where_it_stops.ipynb",
}
SOLUTIONS = [PROJECT / "exercises" / "solutions" / student.name for student in STUDENTS.values()]
ANSWERS: dict[str, dict[str, float | str]] = {
    "lab00": {"lab00.quickest": "serverless", "lab00.cold_ms": 50, "lab00.warm_ms": 3},
    "lab01": {
        "lab01.copy": "another",
        "lab01.rebuild": "the code",
        "lab01.waiting": "all three",
        "lab01.boot": "vmm",
        "lab01.quickest": "vm",
        "lab01.update": "a few",
        "lab01.broken": "errors",
        "lab01.nasty": "yes",
        "lab01.killed": "none",
        "lab01.hang_ms": 1000,
    },
    "lab02": {
        "lab02.heaviest": "sandbox",
        "lab02.twice_ms": 200,
        "lab02.zygote": "runtime init",
        "lab02.snapshot": "function init",
        "lab02.provisioned": "none",
        "lab02.factor": "up to 2 times",
        "lab02.waits": "more than 20",
        "lab02.memory": "spawn",
        "lab02.unique": "both",
        "lab02.bill": "nothing",
    },
    "lab03": {
        "lab03.quickest": "serverless",
        "lab03.second_ms": 1500,
        "lab03.over": "serverless",
        "lab03.cliff": "more than 5 times",
        "lab03.works": "less than 1.5 times",
        "lab03.waits": "more than 5 times",
        "lab03.zero": "vm",
    },
    "lab03b": {
        "lab03b.closed_ms": 50,
        "lab03b.open_ms": 1000,
        "lab03b.near": "most of them",
        "lab03b.first": "about the same",
        "lab03b.then": "slower",
        "lab03b.turns": "slower",
    },
    "lab04": {
        "lab04.process": "one",
        "lab04.box": "none",
        "lab04.kernel": "process alone",
        "lab04.hog": "within the noise",
        "lab04.hog_boxed": "2 to 5 times",
        "lab04.limits": "two",
        "lab04.boot_ms": 1000,
    },
    "lab06": {
        "lab06.fails": "once",
        "lab06.again": "only the bad one",
        "lab06.runs": "4",
        "lab06.behind": "they wait for it",
        "lab06.hours": "24",
        "lab06.waits": "direct, HTTP",
        "lab06.stream_ms": 50,
    },
    "lab07": {
        "lab07.background": "about half",
        "lab07.stay": "its time limit",
        "lab07.wrong": "serverless",
        "lab07.forgot": "neither",
        "lab07.spike": "about the same",
        "lab07.first_ms": 100,
        "lab07.large": "container",
    },
}
CLICKED = set(LABS) - {"lab07"}
"""Labs that tests/browser goes through from the first cell to the last: that is their second run beside the one in
a pod; without a browser it is here."""
PLAIN = {"lab03b"}
"""Labs whose services are plain processes: a pod takes nothing away from them."""
FORKED = {"lab02.zygote", "lab02.snapshot", "lab02.memory", "lab02.unique"}
"""Questions that only a machine with zygotes and snapshots can answer."""
BOXED = {"lab04.box", "lab04.hog_boxed"}
"""Questions that need a sandbox with walls."""
NOISY = {"lab03.second_ms", "lab03.cliff", "lab04.hog", "lab04.hog_boxed"}
"""Questions that a machine too busy, or one that cannot tell an instance's CPU, leaves open."""
SANITIZE = Path(__file__).with_name("sanitize.cfg")

NBVAL = [
    *(sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=150"),
    *("--nbval-sanitize-with", str(SANITIZE), "-q", "-p", "no:cacheprovider", "--timeout=0"),
]


@pytest.fixture(autouse=True)
def _killed_kernels() -> Iterator[None]:
    yield
    remove_empty_session_directories()


def _nbval(notebook: Path, environment: dict[str, str], start: list[str] | None = None) -> str:
    done = subprocess.run(
        start or [*NBVAL, str(notebook)],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    said = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, said
    assert " passed" in done.stdout, said
    return done.stdout


def _called(notebook: Path) -> str:
    return f"{notebook.parent.name}/{notebook.stem}"


def _learner(tmp_path: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "XDG_DATA_HOME": str(tmp_path / "learner"), **variables}


@pytest.mark.parametrize("solution", SOLUTIONS, ids=_called)
def test_every_cell_of_a_solution_runs_and_prints_what_is_stored(solution: Path, tmp_path: Path) -> None:
    _nbval(solution, _learner(tmp_path))


@pytest.mark.parametrize("lab", [lab for lab in LABS if lab not in CLICKED or not browser_path()])
def test_every_cell_of_a_lab_runs_and_its_predictions_are_scored(lab: str, tmp_path: Path) -> None:
    """By a learner who predicts; one who does not is in the pod below."""
    answers = ANSWERS[lab]
    _nbval(LABS[lab], _learner(tmp_path, WORKBENCH_ANSWERS=json.dumps(answers)))
    kept = json.loads((tmp_path / "learner" / "workbench" / "progress" / "predictions.json").read_text())
    assert {key: attempts[-1]["expected"] for key, attempts in kept.items()} == answers
    waiting = {key for key, attempts in kept.items() if not attempts[-1].get("verdict")}
    cannot = (set() if "snapshot" in techniques(best()) else FORKED) | (BOXED if box() == "process" else set())
    assert waiting - NOISY == cannot & set(answers) - NOISY


@pytest.mark.parametrize("exercise", STUDENTS)
def test_the_untouched_exercise_runs_to_its_end_and_has_not_passed(exercise: str, tmp_path: Path) -> None:
    _nbval(STUDENTS[exercise], _learner(tmp_path))
    kept = json.loads((tmp_path / "learner" / "workbench" / "progress" / "exercises.json").read_text())
    assert kept[exercise]["checks"] == 1
    assert "passed_at" not in kept[exercise]


# A pod's user: unprivileged, in a place where the kernel refuses further namespaces (the limit is that place's own).
POD = [
    *("unshare", "--user", "--map-user=1000", "--map-group=1000", "--keep-caps", "sh", "-c"),
    'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --no-new-privs -- "$@"',
    "pod",
]
ALLOWED = "from workbench import capabilities as c; f = c.find(); print(bool(f.docker or f.namespaces or f.cgroups))"


@needs("unprivileged")
def test_the_pod_of_these_tests_has_neither_docker_nor_namespaces(nobody: dict[str, str]) -> None:
    command = unprivileged.command(*POD, sys.executable, "-c", ALLOWED)
    done = subprocess.run(command, env=nobody, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "False", done.stdout + done.stderr


@needs("unprivileged")
@pytest.mark.parametrize("notebook", [LABS[lab] for lab in LABS if lab not in PLAIN], ids=_called)
def test_it_runs_where_a_pod_allows_nothing(notebook: Path, nobody: dict[str, str]) -> None:
    _nbval(notebook, nobody, unprivileged.command(*POD, *NBVAL, str(notebook)))


def _cells(notebook: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [{**cell, "text": "".join(cell["source"])} for cell in cells]


@pytest.mark.parametrize("notebook", [*LABS.values(), *SOLUTIONS, *STUDENTS.values()], ids=_called)
def test_a_notebook_reads_as_a_lab(notebook: Path) -> None:
    cells = _cells(notebook)
    assert cells[0]["cell_type"] == "markdown"
    for words in ("minutes", "**Question", "By the end you can"):
        assert words in cells[0]["text"]
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        lines = [line for line in cell["text"].splitlines() if line.strip()]
        assert len(lines) <= 10 or cell["text"].startswith("%%handler"), cell["text"]
        if "nbval-ignore-output" in cell["metadata"].get("tags", ()):
            assert cell["outputs"] == [], "a measured output belongs to the machine it was measured on"
