"""Runs measured elsewhere, shipped with the package: what a lab shows where a machine cannot measure by itself.

Each is a file `NAME.json`, as `Run.save` wrote it on the machine and day that it names. Read here, every number in it
is called recorded: nothing of it was measured on the reader's machine.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from workbench.errors import RecordError
from workbench.records import Measurement, Provenance, Run

_PLACE = Path(__file__).parent


def names() -> tuple[str, ...]:
    """The runs there are."""
    return tuple(sorted(path.stem for path in _PLACE.glob("*.json")))


def ships(path: Path) -> bool:
    """Whether the file at `path` is one of these."""
    return path.suffix == ".json" and path.resolve().parent == _PLACE.resolve()


def recorded(name: str) -> Run:
    """The recorded run of that name, its measurements with machine and date; raises RecordError where there is none."""
    path = _PLACE / f"{name}.json"
    if name not in names():
        raise RecordError(f"There is no recorded run {name!r}; there are: {', '.join(names()) or 'none'}.")
    run = Run.load(path)
    return replace(run, measurements=tuple(_recorded(m, run) for m in run.measurements))


def machine(run: Run) -> str:
    """The machine that a run was made on, in a few words."""
    found = run.environment
    return f"{found.get('cpu', 'a machine')}, {found.get('cores', '?')} cores, {found.get('kernel', '')}".rstrip(", ")


def _recorded(measured: Measurement, run: Run) -> Measurement:
    was = measured.provenance
    if was.kind == "modelled":  # a model's answer stays one, wherever it was worked out
        return measured
    return replace(measured, provenance=Provenance("recorded", was.how, machine(run), run.created[:10]))
