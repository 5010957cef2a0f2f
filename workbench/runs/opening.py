"""A run by what a person calls it: a file, the directory it lies in, or the name of a recording that ships."""

from __future__ import annotations

from pathlib import Path

from workbench import recorded
from workbench.errors import RecordError
from workbench.records import Run

FILES = ("run.json", "matrix.json")
"""What `workbench compare` and `workbench matrix` write."""


def opened(name: str | Path) -> Run:
    """The run at the path `name`, in that directory, or recorded under that name; raises RecordError.

    A recording that ships with the workbench is one however it is named: its numbers are not measured here.
    """
    path = Path(name)
    if path.is_dir():
        path = next((path / file for file in FILES if (path / file).is_file()), path / FILES[0])
    if recorded.ships(path) and path.exists():
        return recorded.recorded(path.stem)
    if not path.exists():
        if str(name) in recorded.names():
            return recorded.recorded(str(name))
        known = ", ".join(recorded.names())
        raise RecordError(
            f"There is no run at {path}. `workbench compare` writes one, `workbench runs list DIR` finds them; "
            f"recorded ones are called {known}."
        )
    return Run.load(path)
