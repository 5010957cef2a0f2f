"""What a kernel that was killed cannot do itself."""

from __future__ import annotations

import contextlib

from workbench.session import state_dir


def remove_empty_session_directories() -> None:
    """Remove the directories of sessions of this run that are empty; one that is not is a leak, and stays to be found.

    nbval and a Jupyter server that ends stop their kernels by SIGKILL, so nobody removes the empty directory then.
    """
    for directory in (state_dir() / "sessions").glob("*"):
        with contextlib.suppress(OSError):
            directory.rmdir()
