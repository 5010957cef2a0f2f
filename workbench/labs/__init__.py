"""What notebooks show: predictions, live checks of exercises, hints, progress and the clean-up proof."""

from __future__ import annotations

from workbench.labs.bills import AMOUNTS, amount, bill
from workbench.labs.cleanup import Owned, owned, proof
from workbench.labs.exercises import Exercise
from workbench.labs.first_look import answers
from workbench.labs.kept import holds_more, kept, memory
from workbench.labs.magic import exercise
from workbench.labs.phases import PHASES, heaviest, phases, vanished
from workbench.labs.predictions import score, scoreboard
from workbench.labs.questions import ask, choose
from workbench.labs.shown import machine, source
from workbench.labs.viewed import at_once, beside, common, named
from workbench.labs.walls import (
    COUNTS,
    GROWTHS,
    KERNELS,
    box,
    boxed,
    count,
    each,
    growth,
    limits,
    limits_held,
    pressing,
    rummage,
    rummaged,
    said,
    shared_kernel,
    started,
)
from workbench.labs.watching import live

__all__ = [
    "AMOUNTS",
    "COUNTS",
    "GROWTHS",
    "KERNELS",
    "PHASES",
    "Exercise",
    "Owned",
    "amount",
    "answers",
    "ask",
    "at_once",
    "beside",
    "bill",
    "box",
    "boxed",
    "choose",
    "common",
    "count",
    "each",
    "exercise",
    "growth",
    "heaviest",
    "holds_more",
    "kept",
    "limits",
    "limits_held",
    "live",
    "machine",
    "memory",
    "named",
    "owned",
    "phases",
    "pressing",
    "proof",
    "rummage",
    "rummaged",
    "said",
    "score",
    "scoreboard",
    "shared_kernel",
    "source",
    "started",
    "vanished",
]
