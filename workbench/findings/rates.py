"""What the searches for the highest sustainable rate say: a bracket each, and a winner only where brackets part."""

from __future__ import annotations

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, name_of, select
from workbench.findings.wording import capitalised, entries, goal, number, significant
from workbench.records import Measurement

EXPERIMENT = "sustainable_rate"


def sustainable_rate(measured: Measured) -> Finding:
    """The finding of the searches."""
    selection = select(measured, EXPERIMENT)
    if not selection.measurements:
        return Finding("No sustainable rate was searched", (), selection.notes, selection.provenance)
    title = "; ".join(f"{name_of(m)} {between(m)}" for m in selection.measurements)
    reading = (*(_sentence(m) for m in selection.measurements), *_compared(selection))
    notes = selection.notes + tuple(_late(m) for m in selection.measurements if _voids(m))
    return Finding(f"Sustained: {title}", reading, notes, selection.provenance)


def between(m: Measurement) -> str:
    """The bracket in words."""
    low, high = number(m.detail.get("low_per_s")), number(m.detail.get("high_per_s"))
    if low is None:
        return "none" if high is None else f"less than {significant(high)}/s"
    if high is None:
        return f"{significant(low)}/s or more"
    return f"between {significant(low)} and {significant(high)}/s"


def _sentence(m: Measurement) -> str:
    wanted = number(m.detail.get("goal_ms")) or 0.0
    trials, instances = len(entries(m.detail.get("trials"))), number(m.detail.get("instances")) or 0.0
    ended = str(m.detail.get("stopped", ""))
    return (
        f"{capitalised(name_of(m))}, {instances:.0f} instances at the end: {between(m)} with a p99 of at most "
        f"{goal(wanted)}, in {trials} loads ({ended})."
    )


def _compared(selection: Selection) -> tuple[str, ...]:
    """A sentence for each pair whose brackets do not touch: only that is a difference."""
    said = []
    for m in selection.measurements:
        for other in selection.measurements:
            low, high = number(m.detail.get("low_per_s")), number(other.detail.get("high_per_s"))
            if m is not other and low is not None and high is not None and low >= high:
                said.append(f"{capitalised(name_of(m))} sustained a rate that {name_of(other)} missed.")
    if not said and len(selection.measurements) > 1:
        said.append("The brackets overlap: no difference between these was found.")
    return tuple(said)


def _voids(m: Measurement) -> int:
    return sum(isinstance(t, dict) and t.get("verdict") == "void" for t in entries(m.detail.get("trials")))


def _late(m: Measurement) -> str:
    loads = "1 load does" if _voids(m) == 1 else f"{_voids(m)} loads do"
    return f"{capitalised(name_of(m))}: {loads} not count, for the generator itself was late."
