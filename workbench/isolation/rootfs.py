"""The files every sandbox runs on: the runtime directory, which is /var/runtime inside."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import CapabilityMissing
from workbench.session import cache_dir

_RUNTIMES = Path(__file__).resolve().parent.parent / "runtimes"
# awslambdaric, its compiled Runtime API client, and what both need.
_DEPENDENCIES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_LEFT_OUT = ("__pycache__", "tests")


@functools.cache
def runtime_dir() -> Path:
    """The host directory that is /var/runtime inside: the entries of `runtimes/` and awslambdaric, compiled.

    Kept in `cache_dir()` by the digest of its content. Raises CapabilityMissing where awslambdaric is not installed.
    """
    files = dict(_runtime_files())
    digest = hashlib.sha256(f"{sys.implementation.cache_tag} ".encode())
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    target = cache_dir() / f"runtime-{digest.hexdigest()[:20]}"
    if not target.is_dir():
        _build(target, files)
    return target


def _runtime_files() -> Iterator[tuple[str, Path]]:
    for path in _RUNTIMES.glob("*.py"):
        if path.name != "__init__.py":
            yield path.name, path
    for name in _DEPENDENCIES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            if sys.platform != "linux":
                continue
            raise CapabilityMissing(f"The Python package that provides {name} is not installed", "Run `make setup`.")
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            yield origin.name, origin
            continue
        for path in origin.parent.rglob("*"):
            inner = path.relative_to(origin.parent)
            if path.is_file() and not set(inner.parts) & set(_LEFT_OUT):
                yield f"{name}/{inner}", path


def _build(target: Path, files: dict[str, Path]) -> None:
    building = Path(tempfile.mkdtemp(dir=target.parent, prefix=".runtime-"))
    try:
        for name, path in files.items():
            copy = building / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(0o444)
            if copy.suffix == ".py":
                # Unchecked: valid wherever and whenever the tree is copied, mounted or imported into an image.
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(str(copy), dfile=f"/var/runtime/{name}", doraise=True, invalidation_mode=mode)
        building.chmod(0o755)
        os.rename(building, target)
    except OSError:
        if not target.is_dir():  # else another process was quicker; its tree is the same
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
