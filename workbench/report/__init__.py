"""The report of a run: a notebook executed by papermill, and the same as one HTML file that works offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.records import Run
from workbench.report.executing import execute
from workbench.report.page import to_page, write_whole

NOTEBOOK = "report.ipynb"
PAGE = "report.html"

_NAME = "comparison_report.ipynb"

Progress = Callable[[str, int, int], None]
"""Told of (stage, steps done, steps in all)."""


def write(run_path: str | Path, out_dir: str | Path, progress: Progress | None = None) -> tuple[Path, Path]:
    """Write `report.ipynb` and `report.html` of the run at `run_path` into `out_dir`; returns their paths.

    Raises RecordError when the run cannot be read, WorkbenchError when the notebook fails.
    """
    run, out = Path(run_path).resolve(), Path(out_dir).resolve()
    Run.load(run)  # says what is wrong with the run before a kernel is started
    out.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda stage, done, total: None)
    tell("report", 0, 2)
    notebook = execute(source(), out / NOTEBOOK, run)
    tell("report", 1, 2)
    page = write_whole(out / PAGE, to_page(notebook))
    tell("report", 2, 2)
    return out / NOTEBOOK, page


def source() -> Path:
    """The report's notebook: the repository's own where we run from one, else the copy in the installed package."""
    package = Path(__file__).resolve().parents[1]
    ours = package.parent / "notebooks" / _NAME
    # An unrelated `notebooks/` may lie beside an installed package: only a repository has pyproject.toml there too.
    return ours if ours.is_file() and (package.parent / "pyproject.toml").is_file() else Path(__file__).with_name(_NAME)
