"""What the burst says: how soon each deployment meets its latency goal again, and what was refused meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, name_of, select
from workbench.findings.wording import (
    capitalised,
    entries,
    goal,
    listed,
    milliseconds,
    milliseconds_range,
    number,
    pair,
    seconds,
    setting,
)
from workbench.records import Measurement

ANSWERED = "ok"


def goal_of(m: Measurement) -> float | None:
    """The latency goal in ms."""
    return number(m.detail.get("goal_ms"))


def counts(m: Measurement) -> dict[str, int]:
    """How many requests ended in each status."""
    recorded: Any = m.detail.get("counts")
    if isinstance(recorded, Mapping) and recorded:
        return {str(status): int(found) for status, n in recorded.items() if (found := number(n)) is not None}
    tally: dict[str, int] = {}
    for status in entries(m.detail.get("status")):
        tally[str(status)] = tally.get(str(status), 0) + 1
    return tally


def scaling(measured: Measured) -> Finding:
    """The finding of the bursts."""
    selection = select(measured, "scaling")
    if not selection.measurements:
        return Finding("No burst was measured", (), selection.notes, selection.provenance)
    reading = (*_setting(selection), *_quality(selection), *_latency(selection), *_instances(selection))
    notes = selection.notes + _generator_notes(selection)
    return Finding(_title(selection), reading, notes, selection.provenance)


def _title(selection: Selection) -> str:
    goals = {found for m in selection.measurements if (found := goal_of(m)) is not None}
    met: list[tuple[float, str]] = []
    never = []
    for m in selection.measurements:
        reached = number(m.detail.get("time_to_goal_s"))
        if reached is None:
            never.append(name_of(m))
        else:
            met.append((reached, name_of(m)))
    wanted = f"the {goal(goals.pop())} goal" if len(goals) == 1 else "its latency goal"
    if not met:
        return (
            f"Under the burst, {listed(never, 'or')} never met {wanted}"
            if len(never) < 2
            else (f"Under the burst, none of {listed(never)} met {wanted}")
        )
    at_once = [name for reached, name in met if reached == 0]
    parts = [f"{listed(at_once)} at once"] if at_once else []
    parts += [f"{name} after {seconds(reached)}" for reached, name in sorted(met) if reached > 0]
    if never:
        parts.append(f"{listed(never)} never")
    return f"Burst: {wanted} is met by {', '.join(parts)}"


def _setting(selection: Selection) -> tuple[str, ...]:
    first = selection.measurements[0]
    rate, duration = number(first.detail.get("rate_per_s")), number(first.detail.get("duration_s"))
    if rate is None or duration is None:
        return ()
    return (
        f"Each deployment got the same burst of {setting(rate)} requests/s for {setting(duration)} s, sent on a "
        "fixed schedule whether or not answers came; latency counts from the planned send time, so waiting counts.",
    )


def _quality(selection: Selection) -> tuple[str, ...]:
    words = {"throttled": "throttled", "error": "failed", "timeout": "timed out", "dropped": "dropped"}
    parts, clean = [], []
    for m in selection.measurements:
        tally = counts(m)
        bad = [f"{tally[status]:,} {word}" for status, word in words.items() if tally.get(status)]
        total = sum(tally.values())
        if bad:
            parts.append(f"{name_of(m)} {listed(bad)} of {total:,}")
        elif total:
            clean.append(name_of(m))
    sentences = []
    if parts:
        sentences.append(f"Not every request was answered: {'; '.join(parts)}.")
    if clean:
        sentences.append(f"{capitalised(listed(clean))} answered every request.")
    return tuple(sentences)


def _latency(selection: Selection) -> tuple[str, ...]:
    parts = []
    for m in selection.measurements:
        p99 = number(m.detail.get("p99_ms"))
        if p99 is None:
            continue
        interval = pair(m.detail.get("ci95_p99_ms"))
        span = f" ({milliseconds_range(interval)})" if interval else " (too few for an interval)"
        parts.append(f"{name_of(m)} {milliseconds(p99)}{span}")
    return (f"99 of 100 answers came within, with its 95 % interval: {'; '.join(parts)}.",) if parts else ()


def _instances(selection: Selection) -> tuple[str, ...]:
    parts = []
    for m in selection.measurements:
        start, peak = number(m.detail.get("start_instances")), number(m.detail.get("peak_instances"))
        if start is not None and peak is not None:
            change = f"from {start:.0f} to {peak:.0f}" if peak != start else f"stayed at {start:.0f}"
            parts.append(f"{name_of(m)} {change}")
    return (f"Instances: {'; '.join(parts)}.",) if parts else ()


def _generator_notes(selection: Selection) -> tuple[str, ...]:
    late = [name_of(m) for m in selection.measurements if m.detail.get("kept_up") is False]
    if not late:
        return ()
    return (
        f"{capitalised(listed(late))}: the load generator fell behind its schedule, so part of this latency is the "
        "generator's. Measure again on an idle machine or at a lower rate.",
    )
