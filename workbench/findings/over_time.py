"""What a load over time says: how many requests waited at once, and what was refused or failed meanwhile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from workbench.findings.burst import counts, goal_of
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, name_of, select
from workbench.findings.wording import capitalised, entries, listed, number, seconds, significant
from workbench.findings.wording import goal as wording_goal
from workbench.records import Measurement

if TYPE_CHECKING:
    from workbench.experiments.flow import Flow

STEPS = 40
"""Steps of a load's time that are told apart, about: finer ones would hold a request or two."""


def flow_of(m: Measurement) -> Flow | None:
    """What became of the load over time, in about STEPS steps; None where the record lacks the requests."""
    from workbench.experiments.flow import flow  # loads what measures: only where something is counted

    planned, latency, status = (entries(m.detail.get(key)) for key in ("planned_s", "latency_ms", "status"))
    if not planned or not len(planned) == len(latency) == len(status) or any(number(at) is None for at in planned):
        return None
    until = number(m.detail.get("duration_s")) or max(planned) or 1.0
    timeout = number(m.detail.get("timeout_s")) or math.inf
    return flow(planned, [number(ms) for ms in latency], [str(s) for s in status], until, _width(until), timeout)


def _width(until_s: float) -> float:
    """The step of 1, 2 or 5 tenths or so that gives at most STEPS of them."""
    least = until_s / STEPS
    power = 10.0 ** math.floor(math.log10(least))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))


def over_time(measured: Measured) -> Finding:
    """The finding of the loads that `experiments.scaling` sent."""
    selection = select(measured, "scaling")
    flows = [(m, found) for m in selection.measurements if (found := flow_of(m)) is not None]
    if not flows:
        return Finding("No load was recorded over time", (), selection.notes, selection.provenance)
    most = [f"{name_of(m)} {max(found.waiting):,}" for m, found in flows]
    title = f"Most requests waiting at the same time: {', '.join(most)}"
    reading = (*_goals(selection), *(_bad(m) for m, _ in flows), _ended(flows))
    late = [name_of(m) for m, _ in flows if m.detail.get("kept_up") is False]
    notes = (f"{capitalised(listed(late))}: the load generator fell behind, so part of the queue is its own.",)
    return Finding(title, reading, selection.notes + (notes if late else ()), selection.provenance)


def _goals(selection: Selection) -> tuple[str, ...]:
    said = []
    for m in selection.measurements:
        goal, reached = goal_of(m), number(m.detail.get("time_to_goal_s"))
        if goal is not None:
            when = "never" if reached is None else "at once" if reached == 0 else f"after {seconds(reached)}"
            said.append(f"{name_of(m)} met the goal of {wording_goal(goal)} {when}")
    return (f"{capitalised('; '.join(said))}.",) if said else ()


def _bad(m: Measurement) -> str:
    tally = counts(m)
    bad = {name: n for name, n in tally.items() if name != "ok" and n}
    total = sum(tally.values())
    if not bad:
        return f"{capitalised(name_of(m))}: all {total:,} requests were answered."
    words = listed(f"{n:,} {name}" for name, n in bad.items())
    share = significant(100 * sum(bad.values()) / total, 2)
    return f"{capitalised(name_of(m))}: of {total:,} requests {words} ({share} %)."


def _ended(flows: list[tuple[Measurement, Flow]]) -> str:
    left = [f"{name_of(m)} {found.waiting[-1]:,}" for m, found in flows]
    return f"Still waiting when the last request had been sent: {', '.join(left)}."
