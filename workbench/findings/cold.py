"""What the cold starts say: who answers first after nothing was running, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench import statistics
from workbench.findings.advising import told_apart_by
from workbench.findings.comparing import Slower, slower_than_fastest
from workbench.findings.drifting import drifted
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, name_of, select
from workbench.findings.wording import (
    capitalised,
    listed,
    milliseconds,
    milliseconds_range,
    number,
    numbers,
    pair,
    times,
)
from workbench.records import Measurement

PHASES: dict[str, str] = {
    "sandbox": "sandbox",
    "runtime_init": "runtime init",
    "function_init": "function init",
    "handler": "handler",
}
"""The phases of a cold start in order, by their key in a run, in the field's words."""


def p50(m: Measurement) -> float | None:
    """The median the experiment recorded, else that of its samples; None when nothing was answered."""
    recorded = number(m.detail.get("p50_ms"))
    if recorded is not None:
        return recorded
    found = numbers(m.samples)
    return statistics.percentile(found, 50) if found else None


def phase_samples(m: Measurement) -> dict[str, list[float]]:
    """Every sample of each phase in ms, by the phase's name, for those that the deployment can see."""
    phases: Any = m.detail.get("phases_ms")
    seen = {name: numbers(phases.get(key)) if isinstance(phases, dict) else [] for key, name in PHASES.items()}
    return {name: values for name, values in seen.items() if values}


def phase_medians(m: Measurement) -> dict[str, float | None]:
    """The median of each phase in ms, None where the deployment cannot see it; `rest` is what no phase covers."""
    found = phase_samples(m)
    seen: dict[str, float | None] = {
        key: statistics.percentile(found[name], 50) if name in found else None for key, name in PHASES.items()
    }
    total = p50(m)
    covered = sum(value for value in seen.values() if value is not None)
    seen["rest"] = max(total - covered, 0.0) if total is not None else None
    return seen


def cold_start(measured: Measured) -> Finding:
    """The finding of the cold starts."""
    selection = select(measured, "cold_start")
    names = {name_of(m): m for m in selection.measurements}
    fastest, others = slower_than_fastest({name: m.samples for name, m in names.items()})
    if not fastest:
        return Finding("No cold start was answered", (), selection.notes, selection.provenance)
    title = _title(fastest, others, p50(names[fastest]))
    reading = (
        _medians(selection),
        *_noise(fastest, others),
        *told_apart_by({name: m.samples for name, m in names.items()}, "cold starts"),
        *drifted(selection.measurements),
        *_largest_phase(selection),
        *_techniques(selection),
        *_warm(selection),
    )
    return Finding(title, reading, selection.notes, selection.provenance)


def cold_phases(measured: Measured) -> Finding:
    """The finding of the phases' distributions: which phase takes longest, by deployment."""
    selection = select(measured, "cold_start")
    parts = []
    for m in selection.measurements:
        middles = {name: statistics.percentile(values, 50) for name, values in phase_samples(m).items()}
        if middles:
            longest = max(middles, key=lambda name: middles[name])
            parts.append(f"{longest} in {name_of(m)} ({milliseconds(middles[longest])})")
    title = f"Longest at the median: {listed(parts)}" if parts else "No phase of a cold start could be seen"
    return Finding(title, _largest_phase(selection), selection.notes, selection.provenance)


def _title(fastest: str, others: Sequence[Slower], best: float | None) -> str:
    apart = [other for other in others if other.beyond_noise]
    equal = [other.name for other in others if not other.beyond_noise]
    if not others:
        return f"{capitalised(fastest)} answers {milliseconds(best)} after a cold start begins (median)"
    if not apart:
        return f"Cold starts of {listed([fastest, *equal])} differ by no more than the noise"
    ratios = listed(f"{other.name} {times(other.ratio)}" for other in apart)
    if equal:
        return f"{capitalised(ratios)} slower to start than {listed([fastest, *equal])}, which are inside the noise"
    return f"Starting cold, {ratios} slower than {fastest}" if len(apart) > 1 else _single(apart[0], fastest)


def _single(other: Slower, fastest: str) -> str:
    return f"{capitalised(other.name)} starts {times(other.ratio)} slower than {fastest}"


def _medians(selection: Selection) -> str:
    parts = []
    for m in selection.measurements:
        found = numbers(m.samples)
        if not found:
            continue
        middle = p50(m)
        interval = pair(m.detail.get("ci95_ms"))
        span = f", 95 % interval {milliseconds_range(interval)}" if interval else ""
        count = f"{len(found)} cold start{'s' if len(found) > 1 else ''}"
        parts.append(f"{name_of(m)} {milliseconds(middle)} ({count}{span})")
    return f"From the call until the first answer of a new instance, at the median: {'; '.join(parts)}."


def _noise(fastest: str, others: Sequence[Slower]) -> tuple[str, ...]:
    equal = [other.name for other in others if not other.beyond_noise]
    apart = [f"{other.name} is {other.text} slower than {fastest}" for other in others if other.beyond_noise]
    sentences = []
    if apart:
        sentences.append(capitalised(f"{listed(apart)} (95 % interval in brackets)."))
    if equal:
        sentences.append(
            f"The difference between {fastest} and {listed(equal)} is inside the noise of these samples: "
            "do not choose between them on cold starts."
        )
    return tuple(sentences)


def _largest_phase(selection: Selection) -> tuple[str, ...]:
    parts, blind = [], []
    for m in selection.measurements:
        total = p50(m)
        seen = {PHASES[k]: v for k, v in phase_medians(m).items() if k in PHASES and v is not None}
        if not total:
            continue
        if not seen:
            blind.append(name_of(m))
            continue
        largest = max(seen, key=lambda phase: seen[phase])
        parts.append(f"{largest} for {name_of(m)} ({min(seen[largest] / total, 1):.0%})")
    sentences = [f"The largest part that was seen is {listed(parts)}."] if parts else []
    if blind:
        sentences.append(f"The phases of {listed(blind)} could not be seen apart.")
    return tuple(sentences)


def _techniques(selection: Selection) -> tuple[str, ...]:
    """Part of a difference may be the technique: it is said where an instance is not started from nothing."""
    forked = {
        "zygote": "forked, into boxes built ahead, from a process that had the runtime imported (a zygote)",
        "snapshot": "forked, into boxes built ahead, from an initialised instance (a snapshot)",
    }
    found = [(name_of(m), m.sandbox.rpartition(", ")[2]) for m in selection.measurements]
    return tuple(
        f"Instances of {name} were {forked[technique]}, not started from nothing; that is part of their time."
        for name, technique in found
        if technique in forked
    )


def _warm(selection: Selection) -> tuple[str, ...]:
    parts = []
    for m in selection.measurements:
        warm = numbers(m.detail.get("warm_ms"))
        middle = number(m.detail.get("warm_p50_ms"))
        value = middle if middle is not None else statistics.percentile(warm, 50) if warm else None
        if value is not None:
            parts.append(f"{name_of(m)} {milliseconds(value)}")
    return (f"Once warm, the same request takes {listed(parts)} at the median.",) if parts else ()
