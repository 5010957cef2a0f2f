"""What became of a spike's requests where the service takes long to start."""

from __future__ import annotations

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import capitalised, goal, listed, number, seconds, significant
from workbench.records import Measurement

EXPERIMENT = "spike"
ENDS = ("in time", "late", "throttled", "failed")


def spike(measured: Measured) -> Finding:
    """The finding of `experiments.spike`."""
    selection = select(measured, EXPERIMENT)
    shown = [m for m in selection.measurements if sum(ended(m).values())]
    if not shown:
        return Finding("No spike was sent", (), selection.notes, selection.provenance)
    shares = ", ".join(f"{name_of(m)} {share(m, 'in time')}" for m in shown)
    wanted = number(shown[0].detail.get("goal_ms")) or 0.0
    title = f"Answered within {goal(wanted)}: {shares}"
    late = [name_of(m) for m in shown if m.detail.get("kept_up") is False]
    notes = (f"{capitalised(listed(late))}: the load generator fell behind.",) if late else ()
    return Finding(title, tuple(map(_sentence, shown)), selection.notes + notes, selection.provenance)


def ended(m: Measurement) -> dict[str, int]:
    """Requests by how they ended, in the order of ENDS."""
    found = m.detail.get("ends")
    return {end: int(number(found.get(end)) or 0) for end in ENDS} if isinstance(found, dict) else {}


def share(m: Measurement, end: str) -> str:
    """The share of the requests that ended so, in per cent."""
    counts = ended(m)
    return f"{significant(100 * counts.get(end, 0) / max(1, sum(counts.values())), 2)} %"


def _sentence(m: Measurement) -> str:
    first = number(m.detail.get("first_answer_s"))
    when = "There was no answer at all" if first is None else f"The first answer came after {seconds(first)}"
    parts = listed(f"{count:,} {end}" for end, count in ended(m).items() if count)
    return f"{capitalised(name_of(m))}: of {sum(ended(m).values()):,} requests {parts}. {when}."
