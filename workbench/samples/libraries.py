"""A service with a library packed beside its code, as a function's ZIP carries what its runtime does not have."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from workbench.errors import PackageError
from workbench.service import Service
from workbench.session import cache_dir, unfinished_prefix


def with_library(service: Service, name: str) -> Service:
    """The service with the installed pure-Python library `name` beside its code; made once, kept in `cache_dir()`.

    Raises PackageError where the library is not installed, or has parts that are compiled for one machine.
    """
    files = _files(name)
    digest = hashlib.sha256(f"{name} {importlib.metadata.version(name)}".encode())
    for path in sorted(service.source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(service.source)).encode() + b"\0" + path.read_bytes())
    place = cache_dir() / f"with-{name}-{digest.hexdigest()[:20]}"
    if not place.is_dir():
        _make(place, service.source, files)
    return replace(service, source=place)


def _files(name: str) -> dict[str, Path]:
    """The library's files by their place in it."""
    try:
        listed = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise PackageError(f"The library {name} is not installed. Run make setup.") from error
    found = {str(each): Path(str(each.locate())) for each in listed if each.parts[0] == name and each.suffix != ".pyc"}
    if not found or any(path.suffix in (".so", ".pyd") for path in found.values()):
        raise PackageError(f"{name} cannot be packed as it is installed: it is no plain package of Python files.")
    return found


def _make(place: Path, source: Path, files: dict[str, Path]) -> None:
    making = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=place.parent))
    try:
        shutil.copytree(source, making, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        for inside, path in files.items():
            (making / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, making / inside)
        making.chmod(0o755)
        os.rename(making, place)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)
        if not place.is_dir():  # somebody else was quicker
            raise
