"""What notebooks show: predictions, live checks of exercises, hints, progress and the clean-up proof."""

from __future__ import annotations

from workbench.labs.bills import AMOUNTS, amount, bill
from workbench.labs.booted import STEPS, boots, longest, obtained
from workbench.labs.built import REBUILDS, builds, slowest
from workbench.labs.calling import SHARES, calling, noticed, share
from workbench.labs.cleanup import Owned, owned, proof
from workbench.labs.delivered import delivered, first_answers, quickest
from workbench.labs.exercises import Exercise
from workbench.labs.factors import FACTORS, by_factor, grown
from workbench.labs.first_look import answers
from workbench.labs.idle import WAITS, forgetful, unveiled, waits
from workbench.labs.kept import holds_more, kept, memory
from workbench.labs.magic import exercise
from workbench.labs.operated import hang, refused, replaced_after_ms, story, supervised, until_replaced
from workbench.labs.packed import changed, contents, digest, dockerfile, packed
from workbench.labs.phases import PHASES, heaviest, phases, vanished
from workbench.labs.predictions import score, scoreboard
from workbench.labs.questions import ask, choose
from workbench.labs.scaled import (
    ABOVE,
    GAINS,
    above_goal,
    all_counted,
    at_levels,
    elastic,
    first_to_goal,
    gain,
    left,
    looks,
    most,
    second_ready_ms,
    still_there,
    sustained,
)
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
from workbench.labs.watching import live, told

__all__ = [
    "ABOVE",
    "AMOUNTS",
    "COUNTS",
    "FACTORS",
    "GAINS",
    "GROWTHS",
    "KERNELS",
    "PHASES",
    "REBUILDS",
    "SHARES",
    "STEPS",
    "WAITS",
    "Exercise",
    "Owned",
    "above_goal",
    "all_counted",
    "amount",
    "answers",
    "ask",
    "at_levels",
    "at_once",
    "beside",
    "bill",
    "boots",
    "box",
    "boxed",
    "builds",
    "by_factor",
    "calling",
    "changed",
    "choose",
    "common",
    "contents",
    "count",
    "delivered",
    "digest",
    "dockerfile",
    "each",
    "elastic",
    "exercise",
    "first_answers",
    "first_to_goal",
    "forgetful",
    "gain",
    "grown",
    "growth",
    "hang",
    "heaviest",
    "holds_more",
    "kept",
    "left",
    "limits",
    "limits_held",
    "live",
    "longest",
    "looks",
    "machine",
    "memory",
    "most",
    "named",
    "noticed",
    "obtained",
    "owned",
    "packed",
    "phases",
    "pressing",
    "proof",
    "quickest",
    "refused",
    "replaced_after_ms",
    "rummage",
    "rummaged",
    "said",
    "score",
    "scoreboard",
    "second_ready_ms",
    "share",
    "shared_kernel",
    "slowest",
    "source",
    "started",
    "still_there",
    "story",
    "supervised",
    "sustained",
    "told",
    "until_replaced",
    "unveiled",
    "vanished",
    "waits",
]
