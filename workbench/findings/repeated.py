"""What the samples of an experiment are, which decides what may be concluded from them together."""

from __future__ import annotations

from typing import Literal

from workbench.findings.factor import PREFIX
from workbench.records import Measurement

Kind = Literal["repeated", "requests", "steps", "modelled"]

_REPEATED = ("cold_start", "isolation", "isolation_matrix", "delivery", "image_build", "boot")
_REQUESTS = ("scaling", "concurrency")


def kind_of(m: Measurement) -> Kind:
    """What the samples of a measurement are.

    `repeated`: the same thing timed again and again, of which intervals and comparisons make sense. `requests`: those
    of one load, which wait behind one another, so that all of them are one observation. `steps`: those of a search or
    of several settings, which are no samples of one thing; so is what nobody entered here. `modelled`: what a model
    says.
    """
    if m.provenance.kind == "modelled":
        return "modelled"
    if m.experiment in _REPEATED or m.experiment.startswith(PREFIX):
        return "repeated"
    return "requests" if m.experiment in _REQUESTS else "steps"
