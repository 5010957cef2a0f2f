"""What became of a consumer's messages: how many were handled, and whose connection did not last."""

from __future__ import annotations

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import capitalised, number, numbers, seconds
from workbench.records import Measurement

EXPERIMENT = "consumer"


def consumer(measured: Measured) -> Finding:
    """The finding of `experiments.consumer`."""
    selection = select(measured, EXPERIMENT)
    if not selection.measurements:
        return Finding("No consumer was watched", (), selection.notes, selection.provenance)
    total = max(len(numbers(m.detail.get("published_s"))) for m in selection.measurements)
    handled = ", ".join(f"{name_of(m)} {_count(m, 'handled')}" for m in selection.measurements)
    title = f"Of {total} messages handled: {handled}"
    reading = tuple(_sentence(m) for m in selection.measurements)
    # A deployment that handled nothing is this experiment's finding, no gap in it.
    notes = tuple(note for note in selection.notes if "nothing was answered" not in note)
    return Finding(title, reading, notes, selection.provenance)


def _sentence(m: Measurement) -> str:
    name, dropped = capitalised(name_of(m)), number(m.detail.get("dropped_s"))
    if dropped is None:
        return f"{name}: its consumer was there to the end, and {_again(m)}."
    why = str(m.detail.get("broker_said") or m.detail.get("answer") or "its instance ended")
    left = _count(m, "left")
    return f"{name}: no consumer after {seconds(dropped)} ({why}); {_again(m)}, and {left} were left in the queue."


def _again(m: Measurement) -> str:
    again = _count(m, "redelivered")
    return "none was given out twice" if not again else f"{again} had to be given out a second time"


def _count(m: Measurement, key: str) -> int:
    return int(number(m.detail.get(key)) or 0)
