"""The cell magic `%%handler NAME`: the cell below it is the learner's handler."""

from __future__ import annotations

from typing import Any

from workbench.labs.exercises import Exercise, find
from workbench.labs.panel import Panel


def exercise(name: str) -> Exercise:
    """Open the exercise `name` and, in a notebook, the cell magic `%%handler` that keeps what is written for it."""
    found = find(name)
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if shell is not None:
        shell.register_magic_function(keep, "cell", "handler")
    return found


def keep(line: str, cell: str) -> Panel:
    """Keep `cell` as the handler of the exercise named on the magic's line."""
    return find(line.strip()).write(cell)
