"""The comparison in a minute: what was compared, and what a person may conclude from these numbers."""

from __future__ import annotations

from collections.abc import Callable

from workbench import statistics
from workbench.findings.boxes import isolation, noise, noisy_neighbour, probes
from workbench.findings.burst import goal_of, scaling
from workbench.findings.cold import cold_start
from workbench.findings.comparing import slower_than_fastest
from workbench.findings.finding import Finding
from workbench.findings.money import break_evens, cost
from workbench.findings.selecting import Measured, machine, name_of, sandbox_of, select
from workbench.findings.wording import (
    capitalised,
    entries,
    goal,
    listed,
    milliseconds,
    number,
    numbers,
    rate_per_hour,
    shortened,
)
from workbench.records import Measurement, Run

READINGS: dict[str, Callable[[Measured], Finding]] = {
    "cold_start": cold_start,
    "scaling": scaling,
    "isolation": isolation,
    "noisy_neighbour": noisy_neighbour,
    "cost": cost,
}
"""What reads each chart, by the chart's name, in the order of the report."""

NOT_OF_A_NEIGHBOUR = ("noisy neighbour", "kernel", "time since boot", "proc")
"""Probes that ask about speed and about the machine: their failing gives nothing of a neighbour away."""


def findings(run: Run) -> dict[str, Finding]:
    """Every finding of a run, by the name of its chart, in the order of the report."""
    return {name: find(run) for name, find in READINGS.items()}


def compared(run: Run) -> str:
    """What was compared, where and when: one sentence."""
    boxes: dict[str, str] = {}
    for m in run.measurements:
        boxes.setdefault(m.deployment, f"{name_of(m)} ({sandbox_of(m)})")
    ways = listed(boxes[name] for name in run.deployments) or "no deployment"
    service = run.service
    memory = number(service.get("memory_mb"))
    limits = f", {memory:,.0f} MB an instance" if memory else ""
    where = machine(run.environment)
    place = f" on one machine ({where})" if where else " on one machine"
    return (
        f"The service “{service.get('name', 'unnamed')}” ({service.get('runtime', 'runtime unknown')}{limits}), "
        f"deployed as {ways}{place}, {run.created[:10]}."
    )


def conclusions(run: Run) -> tuple[str, ...]:
    """What to conclude, each from this run's numbers; differences inside the noise are called that."""
    found = (*_money(run), *_cold(run), *_burst(run), *_boxes(run))
    return found or ("Too little was measured to conclude anything. Run the comparison again to the end.",)


def missing(run: Run) -> tuple[str, ...]:
    """What to know of this run before its numbers are read, for the top of the report; empty for a plain whole one."""
    notes = list(known(run))
    for finding in findings(run).values():
        notes += [note for note in finding.notes if note not in notes]
    return tuple(notes)


def known(run: Run) -> tuple[str, ...]:
    """What is known of the run as a whole: an emulated processor, an interruption, its own notes."""
    notes = [emulated(run)] if emulated(run) else []
    notes += [] if run.complete else ["This run was interrupted: it holds what was measured until then."]
    if not run.measurements:
        notes.append("Nothing was measured.")
    return (*notes, *(capitalised(shortened(str(note), 300)) for note in entries(run.environment.get("notes"))))


def emulated(run: Run) -> str:
    """What an emulated processor does to the numbers, where one ran the virtual machines; else empty."""
    if not any("tcg" in m.sandbox.split("-") for m in run.measurements):
        return ""
    return (
        "The processor of the virtual machines was emulated (QEMU's TCG): compare the phases of their starts with one "
        "another, but their milliseconds with no other deployment's."
    )


def _money(run: Run) -> tuple[str, ...]:
    crossings = break_evens(select(run, "cost"))
    if not crossings:
        return ()
    first = crossings[0]
    return (
        f"Cost: up to about {rate_per_hour(first.rate_per_h)} of steady traffic {first.below} is the cheaper, beyond "
        f"that {first.above} is (modelled from list prices and the durations measured here).",
    )


def _cold(run: Run) -> tuple[str, ...]:
    selection = select(run, "cold_start")
    names = {name_of(m): m.samples for m in selection.measurements}
    fastest, others = slower_than_fastest(names)
    if not fastest:
        return ()
    sentences = []
    if others and not any(o.beyond_noise for o in others):
        sentences.append(
            f"Cold start: {listed([fastest, *(o.name for o in others)])} differ by no more than the noise here; "
            "choose by something else."
        )
    goals = {found for m in select(run, "scaling").measurements if (found := goal_of(m)) is not None}
    if len(goals) == 1:
        wanted = goals.pop()
        tails = {name: statistics.percentile(taken, 95) for name, values in names.items() if (taken := numbers(values))}
        late = [f"{name} ({milliseconds(tail)})" for name, tail in tails.items() if tail > wanted]
        kept = [f"{name} ({milliseconds(tail)})" for name, tail in tails.items() if tail <= wanted]
        sentences.append(f"Cold start against the goal of {goal(wanted)}: the 95th percentile {_p95(kept, late)}.")
    return tuple(sentences)


def _p95(kept: list[str], late: list[str]) -> str:
    if not late:
        return f"stays within it on {listed(kept)}"
    if not kept:
        return f"does not stay within it on {listed(late)}"
    return f"stays within it on {listed(kept)}, but not on {listed(late)}"


def _burst(run: Run) -> tuple[str, ...]:
    selection = select(run, "scaling")
    never = [name_of(m) for m in selection.measurements if number(m.detail.get("time_to_goal_s")) is None]
    met = [name_of(m) for m in selection.measurements if number(m.detail.get("time_to_goal_s")) is not None]
    if not selection.measurements:
        return ()
    if not never:
        return (f"Sudden load: {listed(met)} all met the latency goal within the burst.",)
    rest = f" {capitalised(listed(met))} did." if met else ""
    return (
        f"Sudden load: {listed(never)} did not meet the latency goal within the burst; plan capacity "
        f"ahead there.{rest}",
    )


def _boxes(run: Run) -> tuple[str, ...]:
    selection = select(run, "isolation")
    open_boxes = {name_of(m): _got_through(m) for m in selection.measurements if probes(m)}
    broken = [f"{name} ({count})" for name, count in open_boxes.items() if count]
    tight = [name for name, count in open_boxes.items() if not count]
    sentences = []
    if broken:
        sentences.append(
            f"Isolation: run no code you do not trust beside {listed(broken)} as deployed here (in brackets: "
            "probes that got through)."
        )
    if tight:
        sentences.append(f"Isolation: nothing that was tested got out of {listed(tight)}.")
    if any(noise(m) for m in selection.measurements):
        sentences.append(f"Neighbours: {noisy_neighbour(run).title[:1].lower()}{noisy_neighbour(run).title[1:]}.")
    return tuple(sentences)


def _got_through(m: Measurement) -> int:
    return sum(p.verdict == "broken" and p.name not in NOT_OF_A_NEIGHBOUR for p in probes(m))
