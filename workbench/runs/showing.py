"""One run for a terminal: what was measured on which machine, and of every experiment a table of its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench import findings
from workbench.findings.advising import to_halve
from workbench.findings.drifting import change, drift_of, drifted
from workbench.findings.factor import PREFIX
from workbench.findings.repeated import kind_of
from workbench.findings.selecting import EXPERIMENTS, Selection, name_of, sandbox_of, select
from workbench.findings.wording import capitalised
from workbench.records import Measurement, Run
from workbench.runs.quantities import interval_of, quantity
from workbench.statistics import fewest_for_interval, interval, percentile

_TAILS = (95, 99)

_READ: dict[str, Callable[[findings.Measured], findings.Finding]] = {
    **findings.READINGS,
    "cold_share": findings.cold_share,
    "concurrency": findings.concurrency,
    "image_build": findings.image_build,
    "isolation_matrix": findings.isolation_matrix,
    "keep_alive": findings.keep_alive,
    "sustainable_rate": findings.sustainable_rate,
}


def show(run: Run, console: Console) -> None:
    """Print all of it."""

    def say(*lines: str) -> None:
        for line in lines:
            console.print(line, highlight=False, markup=False)

    say(findings.compared(run), *(f"! {note}" for note in findings.known(run)))
    for experiment in dict.fromkeys(m.experiment for m in run.measurements):
        selection = select(run, experiment)
        title, notes = _read(run, selection)
        console.print(f"\n[bold]{escape(named(experiment))}[/bold]", highlight=False)
        say(*title)
        console.print(table(selection.measurements), highlight=False)
        say(*(f"! {note}" for note in notes), *_below(selection.measurements), capitalised(selection.provenance))
    if any(_doubtful(m, q) for m in run.measurements for q in _TAILS):
        fewest = " and ".join(f"{fewest_for_interval(q)} for p{q}" for q in _TAILS)
        say("", f"~ from fewer samples than it takes to bound it: {fewest}.")


def named(experiment: str) -> str:
    """What a person calls an experiment, with a capital."""
    return capitalised(EXPERIMENTS.get(experiment, experiment.replace("_", " ")))


def table(measured: Sequence[Measurement]) -> Table:
    """The samples of one experiment, one line a deployment."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("deployment", overflow="fold")
    drifts = {m.deployment: change(found) for m in measured if (found := drift_of([m])) is not None}
    timed = any(kind_of(m) != "steps" for m in measured)
    heads = ("samples", *(("p50", "95% interval", "p95", "p99") if timed else ()), *(("drift",) if drifts else ()))
    for name in heads:
        shown.add_column(name, justify="right", no_wrap=True)
    for m in measured:
        cells = [f"{name_of(m)} ({sandbox_of(m)})", *_numbers(m), *([drifts.get(m.deployment, "")] if drifts else [])]
        shown.add_row(*map(escape, cells[: len(heads) + 1]), style=None if m.complete else "yellow")
    return shown


def _read(run: Run, selection: Selection) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the experiment found in one sentence, where something reads it, and its notes."""
    if selection.experiment.startswith(PREFIX):
        found = findings.cold_start_by(selection.measurements)
    elif selection.experiment in _READ:
        found = _READ[selection.experiment](run)
    else:
        return (), selection.notes
    return (f"{found.title}.",), found.notes


def _numbers(m: Measurement) -> tuple[str, ...]:
    count = f"{len(m.samples):,}" + ("" if m.complete else ", interrupted")
    kind = kind_of(m)
    if not m.samples or kind == "steps":
        return (count, "", "", "", "")
    if kind == "modelled":
        return ("modelled", quantity(m.samples[0], m.unit), "", "", "")
    middle = quantity(percentile(m.samples, 50), m.unit)
    span = interval_of(interval(m.samples, 50), m.unit) if kind == "repeated" else "one load"
    return (count, middle, span, *(_tail(m, q) for q in _TAILS))


def _tail(m: Measurement, q: float) -> str:
    if len(m.samples) < fewest_for_interval(50):  # so few that it would only be the largest of them
        return ""
    return ("~" if _doubtful(m, q) else "") + quantity(percentile(m.samples, q), m.unit)


def _doubtful(m: Measurement, q: float) -> bool:
    return kind_of(m) in ("repeated", "requests") and fewest_for_interval(50) <= len(m.samples) < fewest_for_interval(q)


def _below(measured: Sequence[Measurement]) -> tuple[str, ...]:
    sampled = [m for m in measured if m.samples and kind_of(m) == "repeated"]
    advice = [f"{name_of(m)} {text}" for m in sampled if (text := to_halve(m.samples))]
    return (*drifted(sampled), *([f"To halve the interval of the median: {'; '.join(advice)}."] if advice else []))
