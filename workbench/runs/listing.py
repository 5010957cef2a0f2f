"""The runs below some directories, one line each; a file that is broken or none of ours is a line that says so."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from workbench.errors import RecordError
from workbench.findings.wording import shortened
from workbench.records import Run
from workbench.runs.opening import FILES, opened

_HEAD_BYTES = 200
_NOT_ENTERED = ("node_modules", "__pycache__")


@dataclass(frozen=True)
class Listed:
    """A file and the run in it, or the problem why there is none."""

    path: Path
    run: Run | None
    problem: str = ""


def find(places: Sequence[str | Path] = ()) -> tuple[Listed, ...]:
    """The runs at and below `places`, the newest first and those that cannot be read last.

    Below a directory these are the files that `compare` and `matrix` write, and every other that begins as a run does.
    Without places: those that lie in `out` and in any other directory beside it. Raises RecordError for a place that
    is not there.
    """
    found = [_read(path) for path in dict.fromkeys(_files(places))]
    return tuple(sorted(found, key=lambda one: one.run.created if one.run else "", reverse=True))


def table(found: Sequence[Listed]) -> Table:
    """One line each: the file, when, service, deployments, machine, and whether it is whole."""
    shown = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    shown.add_column("file", overflow="fold", min_width=12)
    for name in ("when", "service", "deployments", "machine", "whole"):
        shown.add_column(name, no_wrap=True)
    for one in found:
        if one.run is None:
            shown.add_row(escape(str(one.path)), "", "", "[red]unreadable, see below[/red]", "", "")
            continue
        run = one.run
        cells = (
            str(one.path),
            run.created[:16].replace("T", " "),
            shortened(str(run.service.get("name", "")), 12),
            shortened(", ".join(run.deployments) or "nothing", 25),
            f"{shortened(str(run.environment.get('cpu', '?')), 12)}, {run.environment.get('cores', '?')} cores",
        )
        shown.add_row(*map(escape, cells), "yes" if run.complete else "[yellow]no[/yellow]")
    return shown


def problems(found: Sequence[Listed]) -> tuple[str, ...]:
    """Why files cannot be read, one line each."""
    return tuple(f"{one.path}: {one.problem}" for one in found if one.run is None)


def _files(places: Sequence[str | Path]) -> Iterator[Path]:
    if not places:
        yield from _below(Path("out"))
        for name in FILES:
            yield from sorted(Path().glob(f"*/{name}"))
        return
    for place in map(Path, places):
        if not place.exists():
            raise RecordError(f"There is no {place}. Name a directory with runs below it, or a run's file.")
        if place.is_dir():
            yield from _below(place)
        else:
            yield place


def _below(directory: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(directory):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _NOT_ENTERED)
        for path in (Path(folder) / name for name in sorted(files)):
            if path.is_file() and (path.name in FILES or (path.suffix == ".json" and _begins_as_a_run(path))):
                yield path


def _begins_as_a_run(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).split()[:2] == [b"{", b'"schema":']
    except OSError:
        return False


def _read(path: Path) -> Listed:
    try:
        return Listed(path, opened(path))
    except RecordError as error:
        text = shortened(str(error).removeprefix(f"{path}: ").removeprefix(f"{path} is "), 160)
        return Listed(path, None, text)
