"""What notebooks show: predictions, live checks of exercises, hints, progress and the clean-up proof."""

from __future__ import annotations

from workbench.labs.bills import AMOUNTS, amount, bill
from workbench.labs.booted import STEPS, boots, longest, obtained
from workbench.labs.built import REBUILDS, builds, slowest
from workbench.labs.calling import SHARES, calling, noticed, share
from workbench.labs.cleanup import Owned, owned, proof
from workbench.labs.delivered import delivered, first_answers, quickest
from workbench.labs.exercises import Exercise
from workbench.labs.first_look import answers
from workbench.labs.kept import holds_more, kept, memory
from workbench.labs.magic import exercise
from workbench.labs.operated import hang, refused, replaced_after_ms, story, supervised, until_replaced
from workbench.labs.packed import changed, contents, digest, dockerfile, packed
from workbench.labs.phases import PHASES, heaviest, phases, vanished
from workbench.labs.predictions import score, scoreboard
from workbench.labs.questions import ask, choose
from workbench.labs.shown import machine, source
from workbench.labs.viewed import at_once, beside, common, named
from workbench.labs.watching import live

__all__ = [
    "AMOUNTS",
    "PHASES",
    "REBUILDS",
    "SHARES",
    "STEPS",
    "Exercise",
    "Owned",
    "amount",
    "answers",
    "ask",
    "at_once",
    "beside",
    "bill",
    "boots",
    "builds",
    "calling",
    "changed",
    "choose",
    "common",
    "contents",
    "delivered",
    "digest",
    "dockerfile",
    "exercise",
    "first_answers",
    "hang",
    "heaviest",
    "holds_more",
    "kept",
    "live",
    "longest",
    "machine",
    "memory",
    "named",
    "noticed",
    "obtained",
    "owned",
    "packed",
    "phases",
    "proof",
    "quickest",
    "refused",
    "replaced_after_ms",
    "score",
    "scoreboard",
    "share",
    "slowest",
    "source",
    "story",
    "supervised",
    "until_replaced",
    "vanished",
]
