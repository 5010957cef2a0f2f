"""The isolation matrix as the command line runs it: every sandbox of this machine, measured in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench import isolation
from workbench.cleaning import clean
from workbench.comparison import environment
from workbench.deployment import Deployment
from workbench.deployments import deploy
from workbench.deployments.sandboxes import available, pattern_of
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments import Interrupted, isolation_matrix
from workbench.findings import boxes, matrix, shifts
from workbench.findings.wording import times
from workbench.main_job import Shown, check_writable
from workbench.records import Measurement, Run
from workbench.report.matrix import page
from workbench.report.page import write_whole
from workbench.service import Service

RUN_FILE = "matrix.json"
PAGE = "matrix.html"


def run(service: Service, *, sandboxes: str, out: Path, quick: bool) -> None:
    """Measure the matrix and write matrix.json and matrix.html into `out`; Ctrl-C keeps what there is.

    `sandboxes`: names with commas between; empty for all that there are. One that does not work here stays as a column
    that says why. Raises DeploymentError for a name that no sandbox has.
    """
    names = _chosen(sandboxes)
    check_writable(out)
    console = Console()
    clean()  # what a session that was killed may have left: before measuring, so that it disturbs nothing
    with contextlib.ExitStack() as stack, Shown(console) as shown:
        columns: dict[str, Deployment | WorkbenchError] = {}
        for place, name in enumerate(names):
            shown.update("deploy", place, len(names))
            columns[name] = _column(stack, service, name)
        shown.update("deploy", len(names), len(names))
        rounds, window_s = (1, 0.4) if quick else (3, 1.0)
        try:
            found = isolation_matrix(columns, rounds=rounds, window_s=window_s, progress=shown.update)
        except Interrupted as interrupt:
            shown.stop()
            _keep(console, service, interrupt.measurements, out)
            raise
    _keep(console, service, found, out)


def table(found: tuple[Measurement, ...]) -> Table:
    """The matrix for a terminal."""
    shown = Table(title="The isolation matrix, as measured here", title_justify="left", pad_edge=False)
    shown.add_column("", overflow="fold", ratio=3)
    cells: dict[str, dict[str, str]] = {}
    for m in found:
        shown.add_column(escape(m.deployment), overflow="fold", ratio=2)
        for p in boxes.probes(m):
            cells.setdefault(p.name, {})[m.deployment] = p.verdict
        for effect in matrix.pressures(m):
            cells.setdefault(effect.name, {})[m.deployment] = ", ".join((effect.verdict, *_moved(effect)))
    for name, by_column in cells.items():
        missing = ("not here" if matrix.unavailable(m) else "not tried" for m in found)
        row = (by_column.get(m.deployment, absent) for m, absent in zip(found, missing, strict=True))
        shown.add_row(escape(name), *map(escape, row))
    return shown


def _moved(effect: matrix.Pressed) -> Iterator[str]:
    """What is beyond the noise, or that nothing is."""
    found = {q: moved for q in shifts.PERCENTILES if (moved := shifts.shift(effect, q)) is not None}
    beyond = {q: moved for q, moved in found.items() if moved.effect != "inside the noise"}
    yield from (f"p{q} {times(moved.ratio)}" for q, moved in beyond.items())
    if found and not beyond:
        yield "inside the noise"


def _column(stack: contextlib.ExitStack, service: Service, name: str) -> Deployment | WorkbenchError:
    try:
        return stack.enter_context(deploy(service, pattern_of(name), sandbox=name))
    except WorkbenchError as error:
        return error


def _chosen(sandboxes: str) -> tuple[str, ...]:
    there = available()
    named = dict.fromkeys(filter(None, (part.strip() for part in sandboxes.split(","))))
    chosen = tuple(named) or tuple(isolation.BACKENDS)  # the walls of a restored machine are those of a booted one
    for name in chosen:
        if name not in there:
            raise DeploymentError(f"There is no sandbox {name!r}. Choose from: {', '.join(there)}.")
    return chosen


def _keep(console: Console, service: Service, found: tuple[Measurement, ...], out: Path) -> None:
    if not found:
        console.print("Interrupted before the first measurement; nothing is left running.")
        return
    about: dict[str, Any] = {"name": service.name, "handler": service.handler, "runtime": service.runtime}
    measured = Run(
        about, environment({m.deployment: m.sandbox for m in found}), found, complete=all(m.complete for m in found)
    )
    measured.save(out / RUN_FILE)
    write_whole(out / PAGE, page(measured))
    console.print()
    console.print(table(found))
    for note in matrix.isolation_matrix(measured).notes:
        console.print(f"  {note}", highlight=False, markup=False)
    for name in (RUN_FILE, PAGE):
        console.print(f"  {out / name}", highlight=False)
