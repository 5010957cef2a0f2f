"""What holds for every test: a place of its own for what the run writes, `@needs`, and nothing left behind.

The run gets one temporary directory, with its own caches, state and Jupyter settings in it: tests never meet a user's,
and what is dear to build (the root file system) is built once for all of them. TMPDIR points there too, so sessions
of this run are kept apart from those of anybody else on this machine. Where several workers share the run
(pytest-xdist), each has all but the cache for itself, and who started them looks for what is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import leftovers, needs, unprivileged

_MOVED = {
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "IPYTHONDIR": "ipython",
}
_PLACE = "WORKBENCH_TEST_PLACE"
"""The directory of the whole run, for its workers."""

_SETTLE_S = 10.0
"""How long what was told to end may take to be gone, before it counts as left behind."""

with contextlib.suppress(ModuleNotFoundError):  # the guest of test_cgroup_v2.py has none
    from hypothesis import settings

    # How long an example takes says something about the machine, nothing about the code.
    settings.register_profile("workbench", deadline=None)
    settings.load_profile("workbench")

_ALONE = (
    "tests/functional/test_cleaning.py",
    "tests/functional/test_cleaning_killed.py",
    "tests/functional/test_cli.py",
    "tests/functional/test_isolation_matrix.py",
    "tests/functional/test_lab_boots.py",
    "tests/functional/sandboxes/test_conformance.py::test_nothing_outlives",
    "tests/functional/node/test_node_sandboxes.py::test_nothing_outlives",
    "tests/functional/test_load.py::test_a_generator_whose_owner",
    "tests/functional/test_zygote.py::test_nothing_outlives",
    "tests/functional/test_invoke_command.py::test_the_place_and_keys",
)
"""Where the tests are that use `alone`. One worker has them all, from the start: others would stand idle for them."""

_place = pytest.StashKey[Path]()
_before = pytest.StashKey[frozenset[str]]()
_left = pytest.StashKey[frozenset[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the run its own directory, before any test module is imported."""
    config.addinivalue_line("markers", "needs(*names): the parts of the machine that a test needs; see tests/needs.py")
    needs.required()  # a misspelt WORKBENCH_REQUIRE ends the run here
    # A short path: Unix sockets are made below it. Open to others, as /tmp is: some tests run as another user.
    whole = os.environ[_PLACE] if _is_worker(config) else None
    place = Path(
        tempfile.mkdtemp(prefix="w" if whole else "wbt-", dir=whole or ("/tmp" if os.path.isdir("/tmp") else None))
    )
    place.chmod(0o1777)
    for variable, name in _MOVED.items():
        if whole is None or name != "cache":
            (place / name).mkdir(parents=True)
            os.environ[variable] = str(place / name)
    os.environ["TMPDIR"] = tempfile.tempdir = str(place)
    if whole is None:
        os.environ[_PLACE], os.environ[leftovers.RUN] = str(place), place.name
    else:
        os.environ[leftovers.RUN] = f"{Path(whole).name}/{place.name}"
    config.stash[_place] = place
    config.stash[_before] = leftovers.find()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's directory."""
    shutil.rmtree(config.stash[_place], ignore_errors=True)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that are alone come first; one that `_ALONE` does not name is an error."""
    for item in items:
        if "alone" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(_ALONE):
            raise pytest.UsageError(f"{item.nodeid} uses `alone`: name it in _ALONE in tests/conftest.py.")
    items.sort(key=lambda item: not item.nodeid.startswith(_ALONE))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker takes a file of tests after the other, and one of them all that are alone."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "alone" if nodeid.startswith(_ALONE) else super()._split_scope(nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose needs this machine does not meet, before its fixtures start anything."""
    for mark in item.iter_markers("needs"):
        needs.check(*mark.args)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a process, container, cgroup or session directory outlives the tests that made it."""
    if _is_worker(session.config):
        return
    before = session.config.stash[_before]
    deadline = time.monotonic() + _SETTLE_S
    while (left := leftovers.find() - before) and time.monotonic() < deadline:
        time.sleep(0.2)
    session.config.stash[_left] = left
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def _a_worker_leaves_no_directory(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nobody else sees the sessions of a worker: they are in its own place."""
    yield
    if not _is_worker(request.config):
        return
    deadline = time.monotonic() + _SETTLE_S
    while (left := sorted(leftovers.directories())) and time.monotonic() < deadline:
        time.sleep(0.2)
    if left:
        pytest.fail("the tests left behind:\n  " + "\n  ".join(left), pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left."""
    left = config.stash.get(_left, frozenset())
    if left:
        terminalreporter.section("the tests left behind", red=True)
        terminalreporter.write_line("\n".join(sorted(left)))


@pytest.fixture
def alone() -> Iterator[None]:
    """Holds back the tests of other workers that use it: those that leave something on purpose, and those that look."""
    with open(Path(os.environ[_PLACE]) / "alone.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def nobody() -> Iterator[dict[str, str]]:
    """The environment, with a home of its own, for a `tests.unprivileged.command`."""
    with unprivileged.home() as environment:
        yield environment
