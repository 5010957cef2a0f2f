"""What the test guest's machine consists of: the interpreter's root file system, the project, what pytest needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.guest.machine import PROJECT
from workbench.isolation import libraries, rootfs
from workbench.isolation.machine.initramfs import Initramfs

_DISTRIBUTIONS = ("pytest", "pytest-timeout", "psutil", "awslambdaric", "docker")
# What tests start by name; all are there on any Linux, and are copied with the libraries they need.
_PROGRAMS = ("sh", "cat", "sleep", "mount", "umount", "unshare", "setpriv", "mktemp", "mkdir", "rmdir", "chown")
_PLACES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
_KINDS = frozenset({".py", ".pyc", ".json"})
_LEFT_OUT = frozenset({"node_modules", "notebooks", "bench", "browser", "recorded"})


def write(path: Path, programs: list[dict[str, Any]]) -> None:
    """Write the initramfs at `path` whose init runs `programs` (see init.py); needs what `root_fs()` needs."""
    root = rootfs.root_fs()
    with Initramfs(path) as image:
        image.text("/init", Path(__file__).with_name("init.py").read_text(encoding="utf-8"), 0o755)
        image.text("/order.json", json.dumps({"programs": programs}))
        for name in ("proc", "sys", "dev", "run", "tmp", "root"):
            image.directory(name)
        image.tree("/", root, without=frozenset({"proc", "dev", "run", "tmp"}))
        image.tree("/box", root)
        executables = [_find(name) for name in _PROGRAMS]
        for executable in executables:
            image.file(f"/usr/bin/{executable.name}", executable.resolve())
        for name, library in libraries.closure(executables).items():
            if not (root / "lib" / name).exists():
                image.file(f"/lib/{name}", library.resolve())
        site = f"/usr/local/lib/{Path(rootfs.interpreter()).name}/site-packages"
        for name, source in _packages():
            image.file(f"{site}/{name}", source)
        image.file(f"{site}/sitecustomize.py", Path(__file__).with_name("sitecustomize.py"))
        for name in ("workbench", "tests"):
            for source in sorted((PROJECT / name).rglob("*")):  # no more: builds may lie there that fill the memory
                if source.suffix in _KINDS and not _LEFT_OUT & set(source.parts) and source.is_file():
                    image.file(f"/project/{source.relative_to(PROJECT)}", source)
        image.file("/project/pyproject.toml", PROJECT / "pyproject.toml")


def environment(**more: str) -> dict[str, str]:
    """What a program of the guest finds in its environment."""
    return {
        "PATH": "/usr/local/bin:/usr/bin",
        "PYTHONPATH": "/project",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **more,
    }


def _find(name: str) -> Path:
    found = next((Path(place, name) for place in _PLACES if Path(place, name).exists()), None)
    if found is None:
        raise FileNotFoundError(f"This machine has no program {name} in {', '.join(_PLACES)} to give to the guest.")
    return found


def _packages() -> Iterator[tuple[str, Path]]:
    """The files of the distributions that the tests import and of those that these need, by their path."""
    seen: set[str] = set()
    wanted = list(_DISTRIBUTIONS)
    while wanted:
        name = wanted.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                yield str(file), source
        required = (Requirement(text) for text in distribution.requires or ())
        wanted += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
