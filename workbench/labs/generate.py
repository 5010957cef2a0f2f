"""Make the students' notebooks from the solutions: `python -m workbench.labs.generate [DIRECTORY]`.

In a code cell of a solution, what stands between the lines `# <solution>` and `# </solution>` is cut, and lines that
begin with `#| ` (comments there) become the student's code. Outputs and run numbers are dropped; a cell tagged
`solution-only` is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

BEGIN, END, STUDENT = "# <solution>", "# </solution>", "#| "


def student(source: str) -> str:
    """A cell's source as the student gets it; raises ValueError when the marks do not match up."""
    kept, cutting = [], False
    for line in source.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END):
            if cutting == (mark == BEGIN):
                raise ValueError(f"{mark!r} stands where it cannot: {BEGIN} and {END} come in pairs.")
            cutting = mark == BEGIN
        elif line.lstrip().startswith(STUDENT.rstrip()):
            kept.append(line.replace(STUDENT, "", 1) if STUDENT in line else "")
        elif not cutting:
            kept.append(line)
    if cutting:
        raise ValueError(f"{BEGIN} is not closed by {END}.")
    return "\n".join(kept)


def visible(source: str) -> str:
    """A cell's source as a solution to read: without the marks and the student's lines."""
    hidden = (BEGIN, END)
    lines = (x for x in source.splitlines() if x.strip() not in hidden and not x.lstrip().startswith("#|"))
    return "\n".join(lines)


def convert(notebook: dict[str, Any]) -> dict[str, Any]:
    """The student's notebook of a solution."""
    cells = []
    for cell in notebook["cells"]:
        if "solution-only" in cell.get("metadata", {}).get("tags", ()):
            continue
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        source = student("".join(cell["source"])).splitlines(keepends=True)
        cells.append({**cell, "source": source, "outputs": [], "execution_count": None})
    return {**notebook, "cells": cells}


def render(solution: Path) -> str:
    """The text of the student's notebook of the solution at this path."""
    return json.dumps(convert(json.loads(solution.read_text(encoding="utf-8"))), indent=1, ensure_ascii=False) + "\n"


def main(directory: Path = Path("exercises")) -> None:
    """Write every student's notebook beside the directory of solutions."""
    for solution in sorted((directory / "solutions").glob("*.ipynb")):
        (directory / solution.name).write_text(render(solution), encoding="utf-8")
        print(directory / solution.name)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
