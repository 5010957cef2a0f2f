"""New versions of a service to deploy: the same code, a different package, so that no cache answers for the build."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from workbench.service import Service
from workbench.session import session_dir

MARKER = "workbench_version.txt"
"""The file that makes one version differ from the next."""

_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", "venv", ".mypy_cache", ".ipynb_checkpoints")


@contextlib.contextmanager
def versions_of(service: Service) -> Iterator[Callable[[], Service]]:
    """A function that makes the next version of `service`, in a copy of its directory that goes when the block ends.

    A version must be packaged or deployed before the next is made: they share the copy.
    """
    with tempfile.TemporaryDirectory(dir=session_dir(), prefix="versions.") as place:
        copy = Path(place) / "source"
        shutil.copytree(service.source, copy, symlinks=True, ignore=_LEFT_OUT)
        copy.chmod(0o755)
        # Counted from the copy's own name, so that a second comparison does not repeat the versions of the first.
        numbers = itertools.count(1)

        def next_version() -> Service:
            (copy / MARKER).write_text(f"{Path(place).name} {next(numbers)}\n", encoding="utf-8")
            return replace(service, name=f"{service.name[:50]}-version", source=copy)

        yield next_version
