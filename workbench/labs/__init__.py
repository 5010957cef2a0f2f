"""What notebooks show: predictions, live checks of exercises, hints, progress and the clean-up proof."""

from __future__ import annotations

from workbench.labs.cleanup import Owned, owned, proof
from workbench.labs.exercises import Exercise
from workbench.labs.first_look import answers
from workbench.labs.magic import exercise
from workbench.labs.predictions import score, scoreboard
from workbench.labs.questions import ask, choose
from workbench.labs.shown import machine, source
from workbench.labs.watching import live

__all__ = [
    "Exercise",
    "Owned",
    "answers",
    "ask",
    "choose",
    "exercise",
    "live",
    "machine",
    "owned",
    "proof",
    "score",
    "scoreboard",
    "source",
]
