"""What a counter that lives in its instance said, against what a correct one would have said."""

from __future__ import annotations

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import capitalised, entries, number
from workbench.records import Measurement

EXPERIMENT = "state"


def state(measured: Measured) -> Finding:
    """The finding of `experiments.state`."""
    selection = select(measured, EXPERIMENT)
    shown = [m for m in selection.measurements if m.samples]
    if not shown:
        return Finding("No state was asked for", (), selection.notes, selection.provenance)
    most = max(len(m.samples) for m in shown)
    said = ", ".join(f"{name_of(m)} {max(m.samples):.0f}" for m in shown)
    return Finding(
        f"After {most} visits the highest count was: {said}",
        tuple(_sentence(m) for m in shown),
        selection.notes,
        selection.provenance,
    )


def _sentence(m: Measurement) -> str:
    wrong, instances = (int(number(m.detail.get(key)) or 0) for key in ("wrong", "instances"))
    stored = int(number(m.detail.get("wrong_stored")) or 0)
    rest = _after_rest(m)
    forgot = "" if rest is None else f" After the rest it began at {rest:.0f}."
    return (
        f"{capitalised(name_of(m))}: {wrong} of {len(m.samples)} answers from memory were wrong, {stored} from the "
        f"database in /tmp; {instances} instances answered, each with a count of its own.{forgot}"
    )


def _after_rest(m: Measurement) -> float | None:
    stretch = entries(m.detail.get("stretch"))
    if "after a rest" not in stretch or len(stretch) != len(m.samples):
        return None
    return m.samples[stretch.index("after a rest")]
