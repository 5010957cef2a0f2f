"""Runs on disk, for people and for programs: found, shown, compared with one another, exported."""

from workbench.runs.comparing import Compared, compare, differences
from workbench.runs.exporting import COLUMNS, export, rows
from workbench.runs.listing import Listed, find
from workbench.runs.opening import opened

__all__ = ["COLUMNS", "Compared", "Listed", "compare", "differences", "export", "find", "opened", "rows"]
