"""One run for a terminal: what was measured on which machine, and of every experiment a table of its samples."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench import findings
from workbench.findings.advising import to_halve
from workbench.findings.drifting import change, drift_of, drifted
from workbench.findings.selecting import EXPERIMENTS, name_of, sandbox_of, select
from workbench.findings.wording import capitalised
from workbench.records import Measurement, Run
from workbench.runs.quantities import interval_of, quantity
from workbench.statistics import fewest_for_interval, interval, percentile

NOT_INDEPENDENT = ("scaling",)
"""Requests of one burst wait behind one another: their samples are one observation, and bound no interval."""

_TAILS = (95, 99)


def show(run: Run, console: Console) -> None:
    """Print all of it."""

    def say(*lines: str) -> None:
        for line in lines:
            console.print(line, highlight=False, markup=False)

    say(findings.compared(run), *(f"! {note}" for note in findings.known(run)))
    doubtful = False
    for experiment in dict.fromkeys(m.experiment for m in run.measurements):
        selection = select(run, experiment)
        console.print()
        console.print(table(selection.measurements), highlight=False)
        read = findings.READINGS.get(experiment)
        say(*(f"! {note}" for note in (read(run) if read else selection).notes))
        say(*_below(selection.measurements), capitalised(selection.provenance))
        doubtful = doubtful or any(_doubtful(m, q) for m in selection.measurements for q in _TAILS)
    if doubtful:
        fewest = " and ".join(f"{fewest_for_interval(q)} for p{q}" for q in _TAILS)
        say("", f"~ from fewer samples than it takes to bound it: {fewest}.")


def table(measured: Sequence[Measurement]) -> Table:
    """The samples of one experiment, one line a deployment."""
    what = EXPERIMENTS.get(measured[0].experiment, measured[0].experiment.replace("_", " "))
    shown = Table(title=capitalised(what), title_justify="left", title_style="bold", box=None, pad_edge=False)
    shown.add_column("deployment", overflow="fold")
    drifts = {m.deployment: change(found) for m in measured if (found := drift_of([m])) is not None}
    for name in ("samples", "p50", "95% interval", "p95", "p99", *(["drift"] if drifts else [])):
        shown.add_column(name, justify="right", no_wrap=True)
    for m in measured:
        cells = [f"{name_of(m)} ({sandbox_of(m)})", *_numbers(m), *([drifts.get(m.deployment, "")] if drifts else [])]
        shown.add_row(*map(escape, cells), style=None if m.complete else "yellow")
    return shown


def _numbers(m: Measurement) -> tuple[str, ...]:
    count = f"{len(m.samples):,}" + ("" if m.complete else ", interrupted")
    if not m.samples:
        return (count, "", "", "", "")
    if m.provenance.kind == "modelled":  # a model's answer is no sample of anything
        return ("modelled", quantity(m.samples[0], m.unit), "", "", "")
    middle = quantity(percentile(m.samples, 50), m.unit)
    span = "one burst" if m.experiment in NOT_INDEPENDENT else interval_of(interval(m.samples, 50), m.unit)
    return (count, middle, span, *(_tail(m, q) for q in _TAILS))


def _tail(m: Measurement, q: float) -> str:
    if len(m.samples) < fewest_for_interval(50):  # so few that it would only be the largest of them
        return ""
    return ("~" if _doubtful(m, q) else "") + quantity(percentile(m.samples, q), m.unit)


def _doubtful(m: Measurement, q: float) -> bool:
    return fewest_for_interval(50) <= len(m.samples) < fewest_for_interval(q)


def _below(measured: Sequence[Measurement]) -> tuple[str, ...]:
    sampled = [m for m in measured if m.samples and m.provenance.kind != "modelled"]
    if not sampled or sampled[0].experiment in NOT_INDEPENDENT:
        return ()
    advice = [f"{name_of(m)} {text}" for m in sampled if (text := to_halve(m.samples))]
    return (*drifted(sampled), *([f"To halve the interval of the median: {'; '.join(advice)}."] if advice else []))
