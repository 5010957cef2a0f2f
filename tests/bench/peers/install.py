"""The peers, fetched by their own package managers into `.setup/peers`, which `make clean` removes.

Versions are pinned here. serverless-offline is a plugin: osls is the fork of the Serverless Framework that still starts
without an account (Serverless 4 asks for a log-in), and the plugin names only Serverless 4 as its host, hence
`--legacy-peer-deps`. What is half installed is made anew.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MINISTACK = "ministack==1.5.33"
SERVERLESS = ("osls@4.3.1", "serverless-offline@14.8.2")
OLDEST_NODE = (20, 19)
"""From osls' package.json ("engines")."""

HOME = Path(__file__).resolve().parents[3] / ".setup" / "peers"


class NotInstalled(Exception):
    """A peer could not be had, and why."""


def ministack() -> Path:
    """MiniStack's virtual environment."""

    def make(place: Path) -> None:
        _run([sys.executable, "-m", "venv", str(place)])
        python = str(place / "bin" / "python")
        _run([python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", MINISTACK])

    return _once(MINISTACK, make)


def serverless_offline() -> Path:
    """A directory with serverless-offline and its host in `node_modules`."""
    if shutil.which("npm") is None:
        raise NotInstalled("npm is not installed; on Debian: apt-get install nodejs npm")
    found = _run(["node", "--version"])
    if tuple(int(part) for part in found.strip().removeprefix("v").split(".")[:2]) < OLDEST_NODE:
        raise NotInstalled(f"It needs Node.js {'.'.join(map(str, OLDEST_NODE))} or newer; this is {found.strip()}")

    def make(place: Path) -> None:
        (place / "package.json").write_text('{"private": true}\n')
        cache = place / "cache"
        options = ("--no-audit", "--no-fund", "--save-exact", "--legacy-peer-deps", f"--cache={cache}")
        _run(["npm", "install", *options, *SERVERLESS], place)
        shutil.rmtree(cache, ignore_errors=True)

    return _once("-".join(SERVERLESS), make)


def _once(what: str, make: Callable[[Path], None]) -> Path:
    place = HOME / what
    if not (place / ".done").exists():
        print(f"  installing {what} ...", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        make(place)
        (place / ".done").touch()
    return place


def _run(command: list[str], directory: Path | None = None) -> str:
    # The test run has moved these away from the user's own; a package manager may need its settings there.
    moved = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in moved}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise NotInstalled(f"`{' '.join(command[:4])} ...` failed: {said}")
    return done.stdout
