"""The code of functions and layers on disk, by digest: each ZIP as uploaded and unpacked, and layers merged for /opt.

{directory}/{sha256}/package.zip     as uploaded
{directory}/{sha256}/task/           unpacked
{directory}/{opt name}/task/         several layers in one tree (hard links, so it costs no space)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workbench.package import unpack


def opt_name(layers: Sequence[str]) -> str:
    """What these layers' merged tree is kept as: the layer itself when there is one; empty without layers."""
    if len(layers) < 2:
        return "".join(layers)
    return "opt-" + hashlib.sha256("\n".join(layers).encode()).hexdigest()


class CodeStore:
    """Unpacked code in a directory; every method that writes blocks, so call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def add(self, archive: bytes, sha256: str) -> None:
        """Keep a ZIP and unpack it; raises PackageError when it is refused."""
        if self.tree(sha256).is_dir():
            return
        scratch = self._scratch()
        try:
            unpack(archive, scratch / "task")
            (scratch / "package.zip").write_bytes(archive)
            self._settle(scratch, sha256)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def merge(self, layers: Sequence[str]) -> None:
        """Make the tree that functions with these layers see at /opt: a later layer's files replace an earlier's."""
        name = opt_name(layers)
        if not name or self.tree(name).is_dir():
            return
        scratch = self._scratch()
        try:
            (scratch / "task").mkdir(mode=0o755)
            for layer in layers:
                _overlay(self.tree(layer), scratch / "task")
            self._settle(scratch, name)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def tree(self, name: str) -> Path:
        """The directory with the unpacked code of this digest, or with the merged layers of this `opt_name`."""
        return self._directory / name / "task"

    def archive(self, sha256: str) -> Path:
        """The ZIP as uploaded."""
        return self._directory / sha256 / "package.zip"

    def unpacked_bytes(self, sha256: str) -> int:
        """How large the unpacked code is."""
        tree = self.tree(sha256)
        return sum(os.lstat(os.path.join(at, name)).st_size for at, _, files in os.walk(tree) for name in files)

    def keep(self, used: set[str]) -> None:
        """Remove everything but `used`."""
        for path in self._directory.iterdir():
            if path.name not in used and not path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)

    def _scratch(self) -> Path:
        scratch = Path(tempfile.mkdtemp(dir=self._directory, prefix="."))
        scratch.chmod(0o755)
        return scratch

    def _settle(self, scratch: Path, name: str) -> None:
        try:
            os.rename(scratch, self._directory / name)
        except OSError:
            if not self.tree(name).is_dir():  # else a concurrent upload of the same code was quicker
                raise


def _overlay(source: Path, target: Path) -> None:
    for at, directories, files in os.walk(source):
        here = target / Path(at).relative_to(source)
        for name in directories:
            if not (here / name).is_dir():
                (here / name).unlink(missing_ok=True)  # an earlier layer's file of that name
                (here / name).mkdir(mode=0o755)
        for name in files:
            there = here / name
            if there.is_dir():
                shutil.rmtree(there)
            with suppress(FileNotFoundError):
                there.unlink()
            os.link(os.path.join(at, name), there)
