"""What the benchmarks share: the contenders, started when first asked for, and the table at the end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.contenders import FUNCTIONS, MiniStack, ServerlessOffline, configuration
from tests.bench.handlers import NODE, NODE_RUNTIME, PYTHON, PYTHON_RUNTIME
from tests.bench.peers import install, owned
from tests.bench.scoreboard import Scoreboard
from tests.functional.faas.platform import Platform

_scoreboard = pytest.StashKey[Scoreboard]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_scoreboard] = Scoreboard()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    board = config.stash[_scoreboard]
    if board.lines or board.facts:
        board.note(f"load average {os.getloadavg()[0]:.2f} when it ended")
        terminalreporter.section("the workbench and its peers")
        terminalreporter.write_line(board.table())


@pytest.fixture(scope="session")
def scoreboard(request: pytest.FixtureRequest) -> Scoreboard:
    board = request.config.stash[_scoreboard]
    cores = len(os.sched_getaffinity(0))
    board.note(f"machine: {cores} cores, load average {os.getloadavg()[0]:.2f} when it began")
    return board


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """Ours, with its instances in namespaces."""
    with Platform(isolation="namespaces", preexec_fn=owned.stop_with_parent) as running:
        yield running


@pytest.fixture(scope="session")
def ministack(scoreboard: Scoreboard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack | None]:
    """MiniStack; None, with the reason on the board, where it cannot be installed."""
    try:
        place = install.ministack()
    except install.NotInstalled as error:
        scoreboard.note(f"not measured: MiniStack. {error}")
        yield None
        return
    port = owned.free_port()
    environment = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_REGION": "us-east-1"}
    directory = tmp_path_factory.mktemp("ministack")
    scoreboard.note(f"peer: {install.MINISTACK} (PyPI)")
    with owned.running([str(place / "bin/ministack")], port=port, environment=environment, directory=directory):
        yield MiniStack(port)


@pytest.fixture(scope="session")
def serverless_offline(
    scoreboard: Scoreboard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[ServerlessOffline]]:
    """serverless-offline with Node's handler and with Python's, in one process as it does; or none, with the reason."""
    try:
        place = install.serverless_offline()
    except install.NotInstalled as error:
        scoreboard.note(f"not measured: serverless-offline. {error}")
        yield []
        return
    directory = tmp_path_factory.mktemp("serverless-offline")
    runtimes = {f"node-{n}": NODE_RUNTIME for n in range(FUNCTIONS)}
    runtimes |= {f"python-{n}": PYTHON_RUNTIME for n in range(FUNCTIONS)}
    http_port, lambda_port = owned.free_port(), owned.free_port()
    _lay_out(directory, place, configuration(runtimes, http_port=http_port, lambda_port=lambda_port))
    environment = {
        "SLS_TELEMETRY_DISABLED": "1",
        "SLS_NOTIFICATIONS_MODE": "off",
        "HOME": str(directory),
        # Its Python functions run whatever `python3` it finds: let it be ours.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    scoreboard.note(f"peer: {' on '.join(reversed(install.SERVERLESS))} (npm)")
    command = [str(place / "node_modules/.bin/osls"), "offline", "start"]
    endpoint = f"http://127.0.0.1:{lambda_port}"
    with owned.running(command, port=lambda_port, environment=environment, directory=directory):
        yield [
            ServerlessOffline(f"serverless-offline ({label})", endpoint, [n for n in runtimes if n.startswith(prefix)])
            for label, prefix in (("Node", "node"), ("Python", "python"))
        ]


def _lay_out(directory: Path, place: Path, text: str) -> None:
    (directory / "serverless.yml").write_text(text)
    (directory / "app_py.py").write_text(PYTHON)
    (directory / "app_js.js").write_text(NODE)
    with contextlib.suppress(FileExistsError):
        (directory / "node_modules").symlink_to(place / "node_modules")
