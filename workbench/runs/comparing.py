"""Two runs against each other: how many times longer the second took, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from workbench.errors import RecordError
from workbench.findings.advising import to_tell_apart
from workbench.findings.repeated import kind_of
from workbench.findings.selecting import name_of, sandbox_of
from workbench.findings.wording import DASH, listed, times
from workbench.records import Measurement, Run
from workbench.runs.quantities import quantity
from workbench.runs.showing import named
from workbench.statistics import FEWEST_FOR_VERDICT, Estimate, bootstrap_ratio, percentile, verdict

MACHINE = ("cpu", "cores", "memory_mb", "kernel")
"""What makes a machine another one; times on it are then another machine's."""

SERVICE = ("name", "handler", "runtime", "memory_mb", "payload")
"""What makes a service another one. Its code may change: that is what two runs are often compared for."""

_SETTINGS = ("rate_per_s", "duration_s")
_SUSPICIOUS = 3


@dataclass(frozen=True)
class Compared:
    """One experiment on one deployment in both runs: the medians, second over first, and what may be said of it."""

    first: Measurement
    second: Measurement
    ratio: Estimate | None
    verdict: str
    advice: str = ""


def compare(
    first: Run, second: Run, *, across_machines: bool = False, across_services: bool = False
) -> tuple[Compared, ...]:
    """Every experiment and deployment that both runs have samples of, in the order of the first.

    A verdict is given only beyond the noise (see `statistics.verdict`), and only on samples of the same thing timed
    again and again (see `findings.repeated`); the steps of a search are left out. Raises RecordError, saying what
    differs, for runs of different machines or services unless told that this is wanted, and where the two have nothing
    in common.
    """
    _refuse(
        "machines", "--across-machines", differences(first.environment, second.environment, MACHINE), across_machines
    )
    _refuse("services", "--across-services", differences(first.service, second.service, SERVICE), across_services)
    others = {(m.experiment, m.deployment): m for m in second.measurements}
    pairs = [
        (m, others[m.experiment, m.deployment]) for m in first.measurements if (m.experiment, m.deployment) in others
    ]
    found = tuple(_compared(a, b) for a, b in _by_experiment(pairs) if _alike(a, b))
    if not found:
        raise RecordError("These two runs have no experiment of the same deployment in common, so nothing to compare.")
    return found


def differences(a: Mapping[str, Any], b: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """What differs between two descriptions, by name: `cores: 2 and 8`."""
    return tuple(f"{name}: {a.get(name)} and {b.get(name)}" for name in names if a.get(name) != b.get(name))


def notes(first: Run, second: Run, found: tuple[Compared, ...]) -> tuple[str, ...]:
    """What to know before believing the comparison."""
    said = [_apart(first, second), *_one_way(found)]
    other = (
        *differences(first.environment, second.environment, (*MACHINE, "python", "load_average")),
        *differences(first.service, second.service, (*SERVICE, "package_sha256")),
    )
    said += [f"They differ in {'; '.join(_shortened(text) for text in other)}."] if other else []
    boxes = [f"{name_of(c.first)}: {sandbox_of(c.first)} and {sandbox_of(c.second)}" for c in found if _reboxed(c)]
    said += [f"In other sandboxes: {listed(dict.fromkeys(boxes))}."] if boxes else []
    left = {m.experiment for m in first.measurements} - {c.first.experiment for c in found}
    said += [f"Not compared: {listed(named(name).lower() for name in sorted(left))}."] if left else []
    tried = sum(c.ratio is not None for c in found)
    if tried > 1:
        said.append(f"Each interval holds with 95 %: of {tried}, {tried * 0.05:.1g} or so leave 1 out by chance alone.")
    partial = [name for name, run in (("first", first), ("second", second)) if not run.complete]
    said += [f"The {listed(partial)} run was interrupted."] if partial else []
    return tuple(said)


def table(found: Iterable[Compared]) -> Table:
    """One line each, for a terminal."""
    shown = Table(box=None, pad_edge=False)
    for name in ("experiment", "deployment"):
        shown.add_column(name, overflow="fold")
    for name in ("samples", "first", "second", "ratio", "95% interval"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict", overflow="fold")
    for c in found:
        middles = [percentile(m.samples, 50) for m in (c.first, c.second)]
        ratio = times(c.ratio.value) if c.ratio else times(middles[1] / middles[0]) if middles[0] > 0 else DASH
        span = f"{times(c.ratio.low)[:-1]}{DASH}{times(c.ratio.high)}" if c.ratio else ""
        counts = f"{len(c.first.samples):,}, {len(c.second.samples):,}"
        cells = (*(quantity(middle, c.first.unit) for middle in middles), ratio, span, c.verdict)
        shown.add_row(escape(named(c.first.experiment)), escape(name_of(c.first)), counts, *map(escape, cells))
    return shown


def advice(found: Iterable[Compared]) -> tuple[str, ...]:
    """What more samples would bring, where no side was named."""
    given: dict[tuple[str, str], list[str]] = {}
    for c in found:
        if c.advice:
            given.setdefault((c.first.experiment, c.advice), []).append(name_of(c.first))
    return tuple(f"{named(experiment)}, {listed(names)}: {text}" for (experiment, text), names in given.items())


def _refuse(what: str, option: str, found: tuple[str, ...], wanted: bool) -> None:
    if found and not wanted:
        raise RecordError(
            f"These runs are of different {what} ({'; '.join(found)}), so a difference says nothing of a change. "
            f"Measure both on one, or compare them all the same with {option}."
        )


def _compared(a: Measurement, b: Measurement) -> Compared:
    if kind_of(a) == "modelled":
        return Compared(a, b, None, "modelled: none")
    settings = differences(a.detail, b.detail, _SETTINGS)
    if settings:
        return Compared(a, b, None, f"none, {'; '.join(settings)}")
    if kind_of(a) == "requests":
        return Compared(a, b, None, "one load: none")
    if percentile(a.samples, 50) <= 0:
        return Compared(a, b, None, "none, 0 at first")
    ratio = bootstrap_ratio(b.samples, a.samples)
    if min(len(a.samples), len(b.samples)) < FEWEST_FOR_VERDICT:
        return Compared(a, b, None, "too few samples", to_tell_apart(b.samples, a.samples, "samples"))
    found = verdict(b.samples, a.samples)
    if found == "inside the noise":
        return Compared(a, b, ratio, found, to_tell_apart(b.samples, a.samples, "samples"))
    return Compared(a, b, ratio, f"second {found}")


def _alike(a: Measurement, b: Measurement) -> bool:
    return bool(a.samples and b.samples) and a.unit == b.unit and kind_of(a) == kind_of(b) != "steps"


def _by_experiment(pairs: list[tuple[Measurement, Measurement]]) -> list[tuple[Measurement, Measurement]]:
    order = list(dict.fromkeys(a.experiment for a, _ in pairs))
    return sorted(pairs, key=lambda pair: order.index(pair[0].experiment))


def _reboxed(c: Compared) -> bool:
    return c.first.sandbox != c.second.sandbox


def _one_way(found: tuple[Compared, ...]) -> tuple[str, ...]:
    """A change seldom touches everything; another load of the machine does."""
    named = [c.verdict for c in found if c.verdict.startswith("second ")]
    if len(named) < _SUSPICIOUS or len(set(named)) > 1:
        return ()
    return (f"All {len(named)} verdicts say the same, whatever was measured: suspect the machine before the change.",)


def _apart(first: Run, second: Run) -> str:
    try:
        began = [datetime.fromisoformat(run.created) for run in (first, second)]
        hours = abs((began[1] - began[0]).total_seconds()) / 3600
    except (ValueError, TypeError):  # a date that is none, or one with a time zone and one without
        return "These runs were not measured in turn: a difference may be the machine's at the time."
    gap = f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    return f"These runs were measured {gap} apart and not in turn: a difference may be the machine's at the time."


def _shortened(text: str) -> str:
    name, _, values = text.partition(": ")
    if name != "package_sha256":
        return text
    return "the code (" + " and ".join(value[:8] for value in values.split(" and ")) + ")"
