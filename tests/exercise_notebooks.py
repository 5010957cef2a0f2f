"""What the tests of exercises read out of their notebooks."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.labs.generate import visible

EXERCISES = Path(__file__).parents[1] / "exercises"


def handler_of(notebook: Path) -> str:
    """The handler's source in a student's copy, or in a solution without its marks."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    source = next("".join(c["source"]) for c in cells if "".join(c["source"]).startswith("%%handler"))
    return visible(source).partition("\n")[2]
