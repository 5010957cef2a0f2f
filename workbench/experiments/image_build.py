"""What a builder's cache saves: an image built from nothing, unchanged, and after a change of either layer."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from workbench.errors import PackageError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.versions import MARKER
from workbench.records import Measurement, Provenance
from workbench.service import Service

KINDS = ("first", "unchanged", "code", "dependency")
"""In the order of a round: each finds in the cache what the one before left."""

_DEPENDENCY = "workbench_dependency"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv", "venv", ".mypy_cache", ".ipynb_checkpoints")


class Build(Protocol):
    """Builds the image of the service as it lies in its directory now; with `nocache` every layer anew."""

    def __call__(self, service: Service, *, nocache: bool = False) -> object:
        """Return when the image is there."""


def image_build(
    service: Service,
    build: Build,
    *,
    rounds: int = 5,
    deployment: str = "container",
    sandbox: str = "docker",
    progress: Progress | None = None,
) -> Measurement:
    """Build images of a copy of the service, `rounds` times each kind in turn, after a round that is thrown away.

    Samples: seconds of a rebuild after a code change, packaging included. Detail: `kinds`, the names in order, and
    `first_s` (no cache), `unchanged_s`, `code_s`, `dependency_s`, each with all its samples in the order taken. Raises
    what `build` raises, PackageError where there is no round, and Interrupted.
    """
    if rounds < 1:
        raise PackageError(f"image_build was asked for {rounds} rounds; one is the least.")
    tell = progress or silent
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with (
        tempfile.TemporaryDirectory(prefix="workbench-image-") as place,
        keeping(lambda: (_measurement(taken, deployment, sandbox, complete=False),)),
    ):
        copy = Path(place) / "source"
        shutil.copytree(service.source, copy, symlinks=True, ignore=_LEFT_OUT)
        version = replace(service, name=f"{service.name[:50]}-version", source=copy)
        for number in range(-1, rounds):
            for step, kind in enumerate(KINDS):
                tell("image_build", max(0, number) * len(KINDS) + step, rounds * len(KINDS))
                _change(version, kind, f"{Path(place).name} {number} {kind}")
                began = time.monotonic()
                build(version, nocache=kind == "first")
                if number >= 0:
                    taken[kind].append(time.monotonic() - began)
        tell("image_build", rounds * len(KINDS), rounds * len(KINDS))
    return _measurement(taken, deployment, sandbox, complete=True)


def _change(service: Service, kind: str, text: str) -> None:
    """Make the next version of the copy: in what its own people wrote, or in what an installer put there."""
    if kind in ("first", "code"):
        (service.source / MARKER).write_text(f"{text}\n", encoding="utf-8")
    if kind in ("first", "dependency"):
        _change_dependency(service, text)


def _change_dependency(service: Service, text: str) -> None:
    if not service.runtime.startswith("python"):
        folder = service.source / "node_modules" / _DEPENDENCY
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.js").write_text(f"// {text}\n", encoding="utf-8")
        return
    record = service.source / f"{_DEPENDENCY}-1.dist-info" / "RECORD"
    record.parent.mkdir(exist_ok=True)
    record.write_text(f"{_DEPENDENCY}.py,,\n{_DEPENDENCY}-1.dist-info/RECORD,,\n", encoding="utf-8")
    (service.source / f"{_DEPENDENCY}.py").write_text(f"VERSION = {text!r}\n", encoding="utf-8")


def _measurement(taken: dict[str, list[float]], deployment: str, sandbox: str, *, complete: bool) -> Measurement:
    how = (
        f"{len(taken['first'])} rounds of image builds of a copy of the service, kinds interleaved, one round before "
        "thrown away; the base image was there; from the changed directory to the tagged image"
    )
    detail: dict[str, Any] = {"kinds": list(KINDS), **{f"{kind}_s": list(taken[kind]) for kind in KINDS}}
    return Measurement(
        "image_build",
        deployment,
        sandbox,
        "s",
        tuple(taken["code"]),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
