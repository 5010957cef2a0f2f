"""The next start cleans up: a session's first deployment removes what dead sessions left, beside the caller's path.

The caller pays for one look at the sessions' directories (tens of microseconds each), which is also how a clean-up that
met no engine is remembered. Only where a dead one is found does a process of low priority do the work.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

from workbench.cleaning.scope import Scope
from workbench.session import VARIABLE, session_id, state_dir

_PROGRAM = "import os; os.nice(19); from workbench.cleaning import clean; clean()"


def clean_once() -> None:
    """Have what dead sessions left removed, once in this process; returns at once, and never raises for it."""
    _begin(os.getpid())


@functools.cache
def _begin(process: int) -> None:
    try:
        sessions = os.listdir(state_dir() / "sessions")
    except OSError:
        return
    if any(map(Scope().takes, sessions)):
        threading.Thread(target=_run, name="clean-up of dead sessions", daemon=True).start()


def _run() -> None:
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (package_parent, os.environ.get("PYTHONPATH", "")) if part)
    subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={**os.environ, VARIABLE: session_id(), "PYTHONPATH": path},
        start_new_session=True,  # goes on after this process, so that a short script cleans up too
        check=False,
    )
