"""How long each way to invoke takes from its cause to the handler, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import milliseconds
from workbench.records import Measurement
from workbench.statistics import percentile


def ways(measured: Measured) -> Sequence[Measurement]:
    """Those of the experiment `arrival` that have samples, quickest median first."""
    found = [m for m in select(measured, "arrival").measurements if m.samples]
    return sorted(found, key=lambda m: percentile(m.samples, 50))


def arrival(measured: Measured) -> Finding:
    """The quickest and the slowest way by their medians."""
    selection, shown = select(measured, "arrival"), ways(measured)
    if not shown:
        return Finding("No order came", (), selection.notes, selection.provenance)
    said = [f"{m.deployment} {milliseconds(percentile(m.samples, 50))}" for m in (shown[0], shown[-1])]
    title = f"From the cause to the handler: {said[0]}" + (f", {said[1]} (medians)" if len(shown) > 1 else "")
    return Finding(title, (), selection.notes, selection.provenance)
