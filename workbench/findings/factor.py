"""What cold starts by one factor say: whether its levels differ beyond the noise, and what each took."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.findings.advising import told_apart_by
from workbench.findings.cold import p50
from workbench.findings.comparing import slower_than_fastest
from workbench.findings.drifting import drifted
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, name_of
from workbench.findings.wording import (
    listed,
    milliseconds,
    milliseconds_range,
    number,
    pair,
    seconds,
    times,
)
from workbench.records import Measurement, Run

PREFIX = "cold_start_by_"


def levels(measured: Measured) -> tuple[Measurement, ...]:
    """The levels of the first factor in what was passed, in the order measured; those that could not be done too."""
    given = measured.measurements if isinstance(measured, Run) else measured
    several = (given,) if isinstance(given, Measurement) else tuple(given)
    found = [m for m in several if m.experiment.startswith(PREFIX)]
    return tuple(m for m in found if m.experiment == found[0].experiment)


def level(m: Measurement) -> str:
    """What the level is called; a deployment by its name in all texts, so that a process is not called a VM."""
    if m.detail.get("factor") == "deployment":
        return name_of(m)
    return str(m.detail.get("level", m.deployment))


def reason(m: Measurement) -> str:
    """Why a level could not be done, without a full stop."""
    return str(m.detail.get("reason", "nothing was answered")).rstrip(".")


def cold_start_by(measured: Measured) -> Finding:
    """The finding of cold starts by a factor."""
    shown = levels(measured)
    done = [m for m in shown if m.samples]
    factor = str(shown[0].detail.get("factor", "factor")) if shown else "factor"
    environment = measured.environment if isinstance(measured, Run) else {}
    provenance = Selection("cold_start", tuple(done), environment=environment).provenance
    if not done:
        return Finding("No cold starts by a factor were measured", (), _notes(shown), provenance)
    apart = told_apart_by({level(m): m.samples for m in done}, "cold starts")
    reading = (_medians(done), *apart, *drifted(done), _deploying(done))
    return Finding(_title(factor, done), reading, _notes(shown), provenance)


def _title(factor: str, done: Sequence[Measurement]) -> str:
    fastest, others = slower_than_fastest({level(m): m.samples for m in done})
    apart = [other for other in others if other.beyond_noise]
    if not others:
        return f"Cold starts by {factor}: {fastest} takes {milliseconds(p50(done[0]))} (median)"
    if not apart:
        return f"Cold starts by {factor}: the levels differ by no more than the noise"
    slowest = apart[-1]
    return f"Cold starts by {factor}: {slowest.name} takes {times(slowest.ratio)} as long as {fastest}"


def _medians(done: Sequence[Measurement]) -> str:
    parts = []
    for m in done:
        interval = pair(m.detail.get("ci95_ms"))
        span = f", 95 % interval {milliseconds_range(interval)}" if interval else ""
        parts.append(f"{level(m)} {milliseconds(p50(m))} ({len(m.samples)} samples{span})")
    return f"At the median: {'; '.join(parts)}."


def _deploying(done: Sequence[Measurement]) -> str:
    parts = [f"{level(m)} {seconds(number(m.detail.get('deploy_s')))}" for m in done]
    return f"From the order to deploy until it could be called: {listed(parts)}."


def _notes(shown: Sequence[Measurement]) -> tuple[str, ...]:
    missing = [f"{level(m)} is not possible here: {reason(m)}." for m in shown if not m.samples]
    ready = [level(m) for m in shown if m.samples and "kept ready" in m.provenance.how]
    if ready:
        missing.append(
            f"In {listed(ready)} nobody waits for a cold start: shown is the first answer of an instance kept ready."
        )
    if any(m.samples and not m.complete for m in shown):
        missing.append("Interrupted; shown is what was measured until then.")
    return tuple(missing)
