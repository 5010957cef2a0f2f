"""The command as a person runs it: the main job on somebody else's service, its errors, its interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import leftovers
from workbench.records import Run

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.timeout(600)]

WORKBENCH = [sys.executable, "-m", "workbench.cli"]
QUICK = ["--quick", "--deployments", "serverless,container,vm"]

GOOD = """
import json, time
from pathlib import Path
import vendored.rates
time.sleep(0.2)  # an init that takes a while
NAMES = json.loads(Path(__file__).with_name("names.json").read_text())

def handler(event, context):
    if "requestContext" in event:
        return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "hello"}
    return {"names": NAMES, "rate": vendored.rates.RATE}
"""


RAISES = "def handler(event, context):\n    raise KeyError('no such thing')\n"


@pytest.fixture
def service_dir(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        source = tmp_path / "their-service"
        (source / "vendored").mkdir(parents=True)
        (source / "vendored" / "__init__.py").write_text("")
        (source / "vendored" / "rates.py").write_text("RATE = 3\n")
        (source / "names.json").write_text('["a", "b"]')
        (source / "main.py").write_text(text)
        return source

    return write


def workbench(*arguments: str, cwd: Path, timeout: float = 170) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WORKBENCH, *arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False
    )


def settled(before: frozenset[str]) -> frozenset[str]:
    """What is there now and was not before, once what was told to end had time to."""
    deadline = time.monotonic() + 20
    while (left := leftovers.find() - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_the_main_job_on_a_directory_someone_else_wrote(service_dir: Callable[[str], Path], tmp_path: Path) -> None:
    before = leftovers.find()
    done = workbench("compare", str(service_dir(GOOD)), "--handler", "main.handler", *QUICK, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = Run.load(tmp_path / "out" / "run.json")
    assert run.complete
    assert run.deployments == ("serverless", "container", "vm")
    assert len(run.tradeoff) == 9
    raw = json.loads((tmp_path / "out" / "run.json").read_text())
    for name in run.deployments:
        cold = raw["deployments"][name]["cold_start"]
        assert len(cold["samples_ms"]) == len(set(cold["instances"])) >= 3
        assert min(cold["phases_ms"]["function_init"]) >= 200  # the sleep in its init, seen where it was
    assert (tmp_path / "out" / "report.ipynb").stat().st_size > 0
    assert (tmp_path / "out" / "report.html").stat().st_size < 8 * 2**20
    assert "Cost-effective" in done.stdout or "cost" in done.stdout.lower()
    assert not settled(before)


@pytest.mark.parametrize(
    ("text", "handler", "words"),
    [
        (RAISES, "main.handler", ["no such thing", "their-service/main.py", "line 2"]),
        ("import not_installed\n", "main.handler", ["not_installed", "their-service/main.py", "line 1", "pip install"]),
        ("def other(event, context):\n    return 1\n", "main.handler", ["handler"]),
        ("def handler(event, context:\n", "main.handler", ["main"]),
        ("def handler(event, context):\n    return 1\n", "absent.handler", ["absent.py", "--handler"]),
        ("def handler(event, context):\n    return 1\n", "handler", ["module.function"]),
    ],
    ids=["raises", "import", "no-handler", "syntax", "no-module", "no-dot"],
)  # fmt: skip
def test_a_service_that_does_not_work_ends_with_a_clear_error(
    service_dir: Callable[[str], Path], tmp_path: Path, text: str, handler: str, words: list[str]
) -> None:
    before = leftovers.find()
    done = workbench("compare", str(service_dir(text)), "--handler", handler, *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr.replace('Traceback (most recent call last):\n  File "main', "")
    for word in words:
        assert word in done.stderr
    assert not settled(before)


def test_bad_arguments_end_with_a_clear_error(tmp_path: Path) -> None:
    for arguments, word in (
        (["absent-directory"], "absent-directory"),
        (["pricing", "--deployments", "cloud"], "serverless"),
        (["pricing", "--deployments", "vm,vm"], "once"),
        (["pricing", "--payload", "{"], "JSON"),
        (["pricing", "--payload", "@absent.json"], "absent.json"),
        (["pricing", "--memory-mb", "64"], "128"),
        (["pricing", "--out", "/proc/nowhere"], "--out"),
    ):
        done = workbench("compare", *arguments, cwd=tmp_path)
        assert done.returncode == 1, arguments
        assert word in done.stderr
        assert "Traceback" not in done.stderr


def start_and_wait_for_a_measurement(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*WORKBENCH, "compare", "pricing", "--quick"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "run.json").exists():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


def test_ctrl_c_keeps_what_was_measured_and_leaves_nothing(tmp_path: Path) -> None:
    before = leftovers.find()
    with start_and_wait_for_a_measurement(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130, output
    assert "run.json" in output
    run = Run.load(tmp_path / "out" / "run.json")
    assert not run.complete
    assert run.of("cold_start")
    assert not settled(before)


def test_sigkill_leaves_nothing(tmp_path: Path) -> None:
    before = leftovers.find()
    with start_and_wait_for_a_measurement(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    assert not settled(before)
    cleaned = workbench("clean", cwd=tmp_path)
    assert cleaned.returncode == 0, cleaned.stderr


def test_doctor_tells_people_and_programs(tmp_path: Path) -> None:
    told = workbench("doctor", cwd=tmp_path)
    assert told.returncode == 0
    assert "docker" in told.stdout.lower()
    found = json.loads(workbench("doctor", "--json", cwd=tmp_path).stdout)
    assert found


def test_serve_speaks_one_json_line_and_ends_when_told(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*WORKBENCH, "serve", "--isolation", "process", "--access-key", "AKIATEST", "--secret-key", "secret"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["access_key_id"] == "AKIATEST"
        assert ready["endpoint"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
