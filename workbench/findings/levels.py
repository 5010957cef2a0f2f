"""What concurrency per instance says: what a handler that works gains by it, and what one that waits."""

from __future__ import annotations

from statistics import median

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import capitalised, milliseconds, number, numbers, significant, times
from workbench.records import Measurement

EXPERIMENT = "concurrency"


def concurrency(measured: Measured) -> Finding:
    """The finding of the batches."""
    selection = select(measured, EXPERIMENT)
    found = by_handler(selection.measurements)
    if not found:
        return Finding("No concurrency was measured", (), selection.notes, selection.provenance)
    said, reading = [], []
    for name, levels in found.items():
        (first, least), (last, most) = next(iter(levels.items())), list(levels.items())[-1]
        ratio = median(numbers(most.detail["per_s"])) / median(numbers(least.detail["per_s"]))
        said.append(f"who {name} {times(ratio)}")
        waited = [milliseconds(median(numbers(m.detail["median_ms"]))) for m in (least, most)]
        rates = [significant(median(numbers(m.detail["per_s"]))) for m in (least, most)]
        reading.append(
            f"{capitalised(name)}: with {first} at a time {rates[0]} answers a second, half within {waited[0]}; "
            f"with {last} at a time {rates[1]} a second, half within {waited[1]}."
        )
    return Finding(
        f"More at a time gains, in throughput: {', '.join(said)}", tuple(reading), selection.notes, selection.provenance
    )


def by_handler(measurements: tuple[Measurement, ...]) -> dict[str, dict[int, Measurement]]:
    """The measurements that hold an answer, by handler and rising level."""
    found: dict[str, dict[int, Measurement]] = {}
    for m in sorted(measurements, key=lambda m: number(m.detail.get("level")) or 0):
        if numbers(m.detail.get("per_s")) and numbers(m.detail.get("median_ms")):
            found.setdefault(str(m.detail.get("handler")), {})[int(m.detail["level"])] = m
    return found
