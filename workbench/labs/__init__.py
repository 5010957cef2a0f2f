"""What notebooks show: predictions, live checks of exercises, hints, progress and the clean-up proof."""

from __future__ import annotations

from workbench.labs.bar import Bar, bar
from workbench.labs.bills import AMOUNTS, amount, bill
from workbench.labs.booted import STEPS, boots, longest, obtained
from workbench.labs.built import REBUILDS, builds, slowest
from workbench.labs.calling import SHARES, calling, noticed, share
from workbench.labs.cleanup import Owned, owned, proof
from workbench.labs.delivered import delivered, first_answers, quickest
from workbench.labs.exercises import Exercise
from workbench.labs.first_look import answers
from workbench.labs.kept import holds_more, kept, memory
from workbench.labs.lies import (
    FACTORS,
    SHARES_NEAR,
    VERDICTS,
    compared,
    factor,
    figures,
    longer_and_longer,
    mean,
    near,
    share_near,
    told_apart,
    waits,
)
from workbench.labs.magic import exercise
from workbench.labs.measuring import measure
from workbench.labs.operated import hang, refused, replaced_after_ms, story, supervised, until_replaced
from workbench.labs.packed import changed, contents, digest, dockerfile, packed
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
    "FACTORS",
    "GROWTHS",
    "KERNELS",
    "PHASES",
    "REBUILDS",
    "SHARES",
    "SHARES_NEAR",
    "STEPS",
    "VERDICTS",
    "Bar",
    "Exercise",
    "Owned",
    "amount",
    "answers",
    "ask",
    "at_once",
    "bar",
    "beside",
    "bill",
    "boots",
    "box",
    "boxed",
    "builds",
    "calling",
    "changed",
    "choose",
    "common",
    "compared",
    "contents",
    "count",
    "delivered",
    "digest",
    "dockerfile",
    "each",
    "exercise",
    "factor",
    "figures",
    "first_answers",
    "growth",
    "hang",
    "heaviest",
    "holds_more",
    "kept",
    "limits",
    "limits_held",
    "live",
    "longer_and_longer",
    "longest",
    "machine",
    "mean",
    "measure",
    "memory",
    "named",
    "near",
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
    "share",
    "share_near",
    "shared_kernel",
    "slowest",
    "source",
    "started",
    "story",
    "supervised",
    "told_apart",
    "until_replaced",
    "vanished",
    "waits",
]
