"""A real JupyterLab for a browser test: its own port, token, learner and copy of the notebooks, ended with the test."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.notebooks.killed import remove_empty_session_directories

PROJECT = Path(__file__).resolve().parents[2]
START_WITHIN_S = 60


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: `url` opens one of its notebooks, `home` is the learner's data."""

    address: str
    token: str
    home: Path

    def url(self, notebook: str) -> str:
        """Where a notebook is opened, in a workspace of its own."""
        return f"{self.address}/lab/tree/{notebook}?token={self.token}&reset"


@contextlib.contextmanager
def running(place: Path) -> Iterator[Lab]:
    """Start JupyterLab on a copy of the project's notebooks in `place`, and stop it with all its kernels."""
    for name in ("notebooks", "exercises"):
        shutil.copytree(PROJECT / name, place / "work" / name)
    port, token, home = _free_port(), secrets.token_hex(16), place / "home"
    settings = home / "settings"
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}
    for variable in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{variable}"] = str(home / variable.lower())
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": place / "work",
        "ServerApp.allow_root": True,
        "IdentityProvider.token": token,
        "LabApp.user_settings_dir": settings,
    }
    _quiet(settings)
    arguments = [f"--{name}={value}" for name, value in options.items()]
    with (place / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments], env=environment, stdout=log, stderr=log, cwd=place
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(address, token, server, place / "jupyter.log")
            yield Lab(address, token, home)
        finally:
            _stop(server)
            remove_empty_session_directories()


def _quiet(settings: Path) -> None:
    """Settings in which JupyterLab asks nothing and fetches nothing."""
    notification = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    notification.parent.mkdir(parents=True)
    notification.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    whole = settings / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    whole.parent.mkdir(parents=True)
    whole.write_text('{"windowingMode": "none"}')  # every cell is there, also those out of sight


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_it_answers(address: str, token: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGTERM)  # it ends its kernels, and they what they own
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(10)
