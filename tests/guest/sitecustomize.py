"""Imported by every Python of the guest: there, `root_fs()` is the tree that it was made with, nothing to be built.

What the workbench would build anew, of the guest's own interpreter and with tools that the guest has not, would be the
same tree again.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from pathlib import Path
from types import ModuleType

BOX = Path("/box")
_NAME = "workbench.isolation.rootfs"


class _Finder:
    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _NAME:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, real: Loader) -> None:
        self._real = real

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        vars(module).update(root_fs=lambda: BOX, runtime_dir=lambda: BOX / "var/runtime")


sys.meta_path.insert(0, _Finder)
