"""Runs as the command line handles them: `workbench runs list | show | compare | export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from workbench import recorded
from workbench.runs import comparing, listing, showing
from workbench.runs.exporting import export as write
from workbench.runs.opening import opened

_WIDE = 200  # where nobody looks at the lines, nothing of them is left out


def list_runs(places: Sequence[Path]) -> None:
    """Print the runs below the places, and why a file among them cannot be read."""
    console = _console()
    found = listing.find(places)
    if found:
        console.print(listing.table(found), highlight=False)
    else:
        console.print(f"No runs below {', '.join(map(str, places)) or 'out/'}. `workbench compare` writes one.")
    for line in listing.problems(found):
        console.print(line, style="red", highlight=False, markup=False)
    if not places:
        console.print(f"Recorded elsewhere: {', '.join(recorded.names())} (workbench runs show NAME).", highlight=False)


def show(name: str) -> None:
    """Print one run."""
    showing.show(opened(name), _console())


def compare(first: str, second: str, *, across_machines: bool, across_services: bool) -> None:
    """Print what the second run took over what the first did."""
    console = _console()
    a, b = opened(first), opened(second)
    found = comparing.compare(a, b, across_machines=across_machines, across_services=across_services)
    console.print(f"first   {first}\nsecond  {second}\n", highlight=False, markup=False)
    console.print(comparing.table(found), highlight=False)
    console.print()
    for line in (*comparing.advice(found), *comparing.notes(a, b, found)):
        console.print(line, highlight=False, markup=False)


def export(names: Sequence[str], target: Path) -> None:
    """Write the samples of the runs to one file and say how many there are."""
    count = write({name: opened(name) for name in names}, target)
    _console().print(f"{count:,} samples in {target}", highlight=False, markup=False)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)
