"""The public API is what `__all__` says: complete, sorted, quick to import."""

from __future__ import annotations

import subprocess
import sys

import workbench


def test_all_is_sorted_and_resolves() -> None:
    assert workbench.__all__ == sorted(workbench.__all__)
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None


def test_import_loads_nothing_heavy() -> None:
    heavy = "numpy", "plotly", "boto3", "docker", "aiohttp"
    code = f"import sys, workbench; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
