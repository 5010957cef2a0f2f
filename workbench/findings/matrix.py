"""What the isolation matrix says: which box holds against what, and what the pressures did to the victims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.findings.boxes import Verdict, probes
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, select
from workbench.findings.wording import DASH, entries, listed, number, numbers, pair, times
from workbench.records import Measurement

EXPERIMENT = "isolation_matrix"


@dataclass(frozen=True)
class Pressed:
    """One pressure on one box: the victim's median during and after over before, with their 95 % intervals."""

    name: str
    question: str
    verdict: Verdict
    observed: str
    ms: Mapping[str, tuple[float, ...]]
    failed: int
    ratio: float | None
    interval: tuple[float, float] | None
    ratio_p99: float | None
    interval_p99: tuple[float, float] | None
    recovered: float | None
    recovered_interval: tuple[float, float] | None

    @property
    def effect(self) -> Literal["slower", "faster", "inside the noise"]:
        """Whether the interval leaves 1 out."""
        return beyond(self.interval)

    @property
    def aftermath(self) -> Literal["slower", "faster", "inside the noise"]:
        """The same, once the pressure was over."""
        return beyond(self.recovered_interval)


def columns(measured: Measured) -> Selection:
    """The matrix's measurements, one a column, in the order measured."""
    return select(measured, EXPERIMENT)


def unavailable(m: Measurement) -> tuple[str, str] | None:
    """Why a column is not here, and what would bring it; None for one that is."""
    found: Any = m.detail.get("unavailable")
    if isinstance(found, Mapping):
        return str(found.get("reason") or "not available"), str(found.get("remedy") or "")
    return None


def pressures(m: Measurement) -> tuple[Pressed, ...]:
    """The pressures of one column, in the order measured."""
    return tuple(_pressed(entry) for entry in entries(m.detail.get("pressures")) if isinstance(entry, Mapping))


def isolation_matrix(measured: Measured) -> Finding:
    """The finding of the probes in the matrix."""
    selection = columns(measured)
    tested = {m.deployment: probes(m) for m in selection.measurements if probes(m)}
    notes = notes_of(selection)
    if not tested:
        return Finding("No isolation probe was run", (), notes, selection.provenance)
    scores = [
        f"{name} {sum(p.verdict == 'held' for p in found)} of {sum(p.verdict != 'not testable' for p in found)}"
        for name, found in tested.items()
    ]
    sentences = [
        "Each probe runs inside a service and tries to see, reach or exhaust what belongs to its neighbour or to the "
        "machine; it only looks, or presses within the limits it was given."
    ]
    own = [name for name, found in tested.items() if any(p.name == "kernel" and p.verdict == "held" for p in found)]
    if own:
        sentences.append(f"A kernel of its own has {listed(own)}; the others share this machine's.")
    elif any(p.name == "kernel" for found in tested.values() for p in found):
        sentences.append("None of these boxes has a kernel of its own: a flaw in this machine's kernel opens them all.")
    for name, found in tested.items():
        if broken := [p.name for p in found if p.verdict == "broken"]:
            sentences.append(f"{name} let through: {listed(broken)}.")
    return Finding(f"Isolation probes that held: {listed(scores)}", tuple(sentences), notes, selection.provenance)


def pressure_effects(measured: Measured) -> Finding:
    """The finding of the pressures: who was surely slowed by what, by how much, and who did not come back."""
    selection = columns(measured)
    found = {m.deployment: pressures(m) for m in selection.measurements if pressures(m)}
    notes = notes_of(selection)
    if not found:
        return Finding("No pressure was measured", (), notes, selection.provenance)
    hurt = {name: [p for p in each if p.verdict == "broken"] for name, each in found.items()}
    parts = [f"{name} ({listed(p.name for p in each)})" for name, each in hurt.items() if each]
    title = (
        f"A neighbour's pressure hurts {listed(parts)}"
        if parts
        else f"No pressure slows a victim by more than a quarter beyond the noise: {listed(found)}"
    )
    sentences = [
        "A neighbour presses while the victim is asked for the same work as before and after. 1 is no effect; a box "
        "counts as broken when requests fail or the whole 95 % interval of the median's ratio is above 1.25."
    ]
    sentences += [_sentence(name, each) for name, each in found.items()]
    return Finding(title, tuple(sentences), notes, selection.provenance)


def _sentence(name: str, each: tuple[Pressed, ...]) -> str:
    told = []
    for p in each:
        if p.failed:
            told.append(f"{p.name}: {p.failed} requests failed")
        elif p.ratio is not None and p.interval is not None and p.effect != "inside the noise":
            told.append(f"{p.name} {times(p.ratio)} ({times(p.interval[0])[:-1]}{DASH}{times(p.interval[1])})")
    slow = [p.name for p in each if p.aftermath == "slower"]
    said = f"Beyond the noise in {name}: {', '.join(told)}." if told else f"Nothing beyond the noise in {name}."
    return f"{said} Still slower afterwards: {listed(slow)}." if slow else said


def notes_of(selection: Selection) -> tuple[str, ...]:
    """What a reader of the matrix must know first: the columns that are missing, failed or interrupted."""
    if not selection.measurements:
        return ("No isolation matrix was measured.",)
    found = []
    for m in selection.measurements:
        if missing := unavailable(m):
            reason, remedy = missing
            found.append(f"{m.deployment} is not here: {reason.rstrip('.')}." + (f" {remedy}" if remedy else ""))
        elif failure := str(m.detail.get("failure") or ""):
            found.append(f"{m.deployment} failed on the way: {failure.rstrip('.')}.")
        elif not m.complete:
            found.append(f"{m.deployment}: interrupted; shown is what was measured until then.")
    return tuple(found)


def beyond(interval: tuple[float, float] | None) -> Literal["slower", "faster", "inside the noise"]:
    """What a ratio's interval says: a side only where all of it lies there."""
    if interval is None or interval[0] <= 1 <= interval[1]:
        return "inside the noise"
    return "slower" if interval[0] > 1 else "faster"


def _pressed(entry: Mapping[str, Any]) -> Pressed:
    held: Any = entry.get("held")
    verdict: Verdict = "not testable" if held is None else "held" if held else "broken"
    failed: Any = entry.get("failed")
    name = str(entry.get("name") or "pressure")
    return Pressed(
        name,
        str(entry.get("question") or name),
        verdict,
        str(entry.get("observed") or ""),
        {window: tuple(numbers(entry.get(f"{window}_ms"))) for window in ("before", "during", "after")},
        int(number(failed.get("during")) or 0) if isinstance(failed, Mapping) else 0,
        number(entry.get("ratio_p50")),
        pair(entry.get("ci95_ratio_p50")),
        number(entry.get("ratio_p99")),
        pair(entry.get("ci95_ratio_p99")),
        number(entry.get("recovered_p50")),
        pair(entry.get("ci95_recovered_p50")),
    )
