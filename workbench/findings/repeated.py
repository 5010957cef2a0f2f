"""What the samples of an experiment are, which decides what may be concluded from them together."""

from __future__ import annotations

from typing import Literal

from workbench.findings.factor import PREFIX
from workbench.records import Measurement

DEPENDENT = "not independent"
"""What is said in place of an interval or a verdict on samples taken together; WHY says why."""

WHY = "Not independent: requests of one load or of a few windows disturb one another, so all are one observation."

Kind = Literal["repeated", "together", "steps", "modelled"]

_REPEATED = ("cold_start", "delivery", "image_build", "boot", "gateway_adds")
_TOGETHER = ("scaling", "concurrency", "isolation", "isolation_matrix", "order")


def kind_of(m: Measurement) -> Kind:
    """What the samples of a measurement are.

    `repeated`: the same thing timed again and again, with other things between, of which intervals and comparisons make
    sense. `together`: requests of one load or of a few short windows; they wait behind one another, and what disturbs
    one disturbs the next, so that an interval that takes them for independent would be too narrow. `steps`: those of a
    search or of several settings, which are no samples of one thing; so is what nobody entered here. `modelled`: what a
    model says.
    """
    if m.provenance.kind == "modelled":
        return "modelled"
    if m.experiment in _REPEATED or m.experiment.startswith(PREFIX):
        return "repeated"
    return "together" if m.experiment in _TOGETHER else "steps"
