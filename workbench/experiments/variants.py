"""Services that differ in one thing: how large the package is, what is imported at init, how much memory there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from workbench.errors import PackageError
from workbench.package import EXCLUDED
from workbench.service import Resources, Service

MB = 2**20
FILLER = "workbench_filler.bin"
"""The file that makes a package larger; nothing reads it."""

MOST_RANDOM_MB = 47
"""A package is uploaded as one ZIP, of 50 MB at most (see `package`): so much of its content may be incompressible."""

_IMPORTING = '''"""Imports what this level of the experiment is about, and says how much that was."""
import sys

_before = set(sys.modules)
{imports}
_added = len(set(sys.modules) - _before)


def handler(event, context):
    return {{"modules": _added}}
'''


def of_size(service: Service, megabytes: int, place: Path) -> Service:
    """The service with a file of `megabytes` (2**20 bytes) beside its code, in a copy below `place`.

    The file is random, so no compression makes the upload smaller; from 47 MB on the rest repeats itself, because a
    ZIP is uploaded up to 50 MB and unpacked up to 250. Raises PackageError beyond that.
    """
    if not 0 <= megabytes <= 249:
        raise PackageError(f"A package of {megabytes} MB cannot be deployed: AWS's limit is 250 MB unpacked.")
    copy = place / f"size-{megabytes}"
    shutil.copytree(service.source, copy, ignore=shutil.ignore_patterns(*EXCLUDED))
    copy.chmod(0o755)
    block = os.urandom(4096)  # repeated within deflate's window, so it compresses to next to nothing
    with (copy / FILLER).open("wb") as file:
        for number in range(megabytes):
            file.write(os.urandom(MB) if number < MOST_RANDOM_MB else block * (MB // len(block)))
    return replace(service, name=f"{service.name[:50]}-{megabytes}mb", source=copy)


def importing(modules: Sequence[str], place: Path, resources: Resources = Resources()) -> Service:
    """A Python service that imports `modules` in its init and answers how many modules came with them.

    Its directory is made below `place`. Raises PackageError for a name that is none of a module.
    """
    wrong = [name for name in modules if not all(part.isidentifier() for part in name.split("."))]
    if wrong:
        raise PackageError(f"{wrong[0]!r} cannot be imported. Name modules as after `import`: email.mime.text")
    source = place / f"importing-{len(list(place.iterdir()))}"
    source.mkdir(mode=0o755)
    text = _IMPORTING.format(imports="\n".join(f"import {name}" for name in modules))
    (source / "app.py").write_text(text, encoding="utf-8")
    return Service("importing", source, "app.handler", resources=resources)


def with_memory(service: Service, memory_mb: int) -> Service:
    """The service with another memory size in MB, and so another share of the CPU (see Resources)."""
    resources = replace(service.resources, memory_mb=memory_mb)
    return replace(service, name=f"{service.name[:50]}-{memory_mb}mb", resources=resources)
