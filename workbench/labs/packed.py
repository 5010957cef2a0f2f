"""What a package holds, and copies of a service with one thing changed."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace

from workbench.errors import PackageError
from workbench.labs.panel import Panel, table
from workbench.labs.progress import progress_dir
from workbench.package import EXCLUDED, package
from workbench.service import Service


def packed(service: Service) -> Panel:
    """The files in a service's ZIP, and its digest."""
    ready = package(service)
    with zipfile.ZipFile(ready.path) as archive:
        rows = [[info.filename, f"{info.file_size:,} bytes"] for info in archive.infolist()]
    rows.append(["together, zipped", f"{ready.size_bytes:,} bytes"])
    html, text = table(["in the package", "size"], rows)
    note = f"sha256 {ready.sha256}"
    return Panel(f"Package of {service.name}", f'{html}<div style="opacity:.75">{note}</div>', f"{text}\n{note}")


def dockerfile(service: Service) -> str:
    """The Dockerfile that a container's image of the service is built from, as text."""
    from workbench.image import image_context

    return image_context(service).dockerfile


def contents(service: Service) -> list[str]:
    """The names of the files in a service's ZIP."""
    with zipfile.ZipFile(package(service).path) as archive:
        return sorted(archive.namelist())


def digest(service: Service) -> str:
    """The first twelve digits of the digest of a service's ZIP."""
    return package(service).sha256[:12]


def changed(service: Service, name: str, file: str, old: str, new: str) -> Service:
    """A copy of the service in which one text of one file is another; kept with the learner's own files, to look at.

    A file that is not there yet is written. Raises PackageError where the file has no such text.
    """
    source = progress_dir().parent / "labs" / f"{service.name}-{name}"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(service.source, source, ignore=shutil.ignore_patterns(*EXCLUDED))
    path = source / file
    before = path.read_text(encoding="utf-8") if path.is_file() else old
    if old not in before:
        raise PackageError(f"{file} of {service.name} has no {old!r} in it. Name a text that it has.")
    path.write_text(before.replace(old, new, 1), encoding="utf-8")
    return replace(service, source=source)
