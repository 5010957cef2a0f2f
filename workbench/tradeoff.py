"""The nine forces of the pattern by deployment: each cell a measurement, or a model, with the path to its evidence.

No cell is an opinion. Where nothing was measured the value is None and `reason` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from workbench.findings.forces import FORCES
from workbench.records import Measurement, Run
from workbench.statistics import percentile

MEASURES: dict[str, str] = {
    "languages": "languages tried that run",
    "instances": "until a burst meets its latency goal",
    "independent": "requests failed during an update",
    "isolated": "probes from inside that found a wall",
    "quick": "from changed code to the first answer",
    "constrained": "limits that held under pressure",
    "monitored": "signals that came",
    "reliable": "until it answers again after a crash",
    "cost": "per million requests at {rate:,.0f} an hour",
}
"""What stands in a force's cells."""

CPU_TOLERANCE = 1.25
"""An instance that gets up to a quarter more CPU than its share counts as constrained: quotas work in slices."""

Cells = dict[str, dict[str, Any]]
_Found = tuple[Any, str, str]  # value, unit, the field that is its evidence


def table(run: Run) -> dict[str, Cells]:
    """Force → deployment → {value, unit, measure, evidence, provenance, sandbox, reason}.

    `evidence` is a path into run.json such as "deployments.vm.delivery.recovery_s"; `provenance` is measured, recorded
    or modelled. A cell without a value has None for both, and the reason.
    """
    return {force: {name: _cell(run, force, name) for name in run.deployments} for force in FORCES}


def render(cells: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """What `table` returned, as a table for the terminal."""
    shown = Table(title="The nine forces, as measured here", title_justify="left", pad_edge=False, show_lines=True)
    shown.add_column("Force", overflow="fold", ratio=5)
    names = list(dict.fromkeys(name for row in cells.values() for name in row))
    for name in names:
        shown.add_column(_heading(cells, name), overflow="fold", justify="left", ratio=3)
    for force, title in FORCES.items():
        row = cells.get(force, {})
        measure = next((c["measure"] for c in row.values() if c.get("measure")), MEASURES[force])
        shown.add_row(f"{title}\n[dim]{measure}[/dim]", *(escape(cell_text(row.get(name, {}))) for name in names))
    shown.caption = "~ modelled, not measured; every number's evidence is named in run.json"
    shown.caption_justify = "left"
    return shown


def as_text(cells: Mapping[str, Mapping[str, Mapping[str, Any]]], width: int = 110) -> str:
    """The same table as plain text."""
    console = Console(file=StringIO(), width=width, color_system=None, force_terminal=False)
    console.print(render(cells))
    file: Any = console.file
    return str(file.getvalue())


def cell_text(cell: Mapping[str, Any]) -> str:
    """One cell as a person reads it."""
    value, unit = cell.get("value"), str(cell.get("unit") or "")
    if value is None:
        return "not measured" + (f": {cell['reason']}" if cell.get("reason") else "")
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {'held' if held else 'not held'}" for name, held in value.items())
    elif isinstance(value, str):
        text = value
    elif unit == "s":
        text = seconds(float(value))
    elif unit.startswith("usd"):
        text = f"${float(value):,.2f}"
    else:
        text = f"{value:g} {unit}"
    return f"~ {text}" if cell.get("provenance") == "modelled" else text


def seconds(value: float) -> str:
    """A duration in the unit a person would use, to two or three figures."""
    if value == 0:
        return "at once"
    if value < 0.001:
        return "under 1 ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"


def _heading(cells: Mapping[str, Mapping[str, Mapping[str, Any]]], name: str) -> str:
    sandboxes = dict.fromkeys(str(row[name]["sandbox"]) for row in cells.values() if row.get(name, {}).get("sandbox"))
    return f"{name}\n({', '.join(sandboxes)})" if sandboxes else name


def _cell(run: Run, force: str, name: str) -> dict[str, Any]:
    experiment, read = _SOURCES[force]
    measured = run.of(experiment).get(name)
    title = experiment.replace("_", " ")
    if measured is None:
        return _empty(force, f"the {title} experiment has no result for {name}")
    try:
        value, unit, field = read(measured)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        value = None
    if value is None:
        ended = "" if measured.complete else ", which was interrupted"
        return _empty(force, f"not found by the {title} experiment{ended}", measured.sandbox)
    return {
        "value": value,
        "unit": unit,
        "measure": _measure(force, measured),
        "evidence": f"deployments.{name}.{experiment}.{field}",
        "provenance": measured.provenance.kind,
        "sandbox": measured.sandbox,
        "reason": "",
    }


def _empty(force: str, reason: str, sandbox: str = "") -> dict[str, Any]:
    return {
        "value": None,
        "unit": "",
        "measure": "" if "{" in MEASURES[force] else MEASURES[force],
        "evidence": None,
        "provenance": None,
        "sandbox": sandbox,
        "reason": reason,
    }


def _measure(force: str, measured: Measurement) -> str:
    return MEASURES[force].format(rate=measured.detail.get("at_rate_per_h", 0))


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return percentile(found, 50) if found else None


def _languages(m: Measurement) -> _Found:
    tried = m.detail["languages"]
    return sum(1 for t in tried.values() if t["works"]), f"of {len(tried)}: {_working(tried)}", "languages"


def _working(tried: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(name for name, t in tried.items() if t["works"]) or "none"


def _instances(m: Measurement) -> _Found:
    reached = m.detail["time_to_goal_s"]
    return ("never in this burst", "", "time_to_goal_s") if reached is None else (reached, "s", "time_to_goal_s")


def _independent(m: Measurement) -> _Found:
    asked = m.detail["asked_while_updating"]
    return (m.detail["failed_while_updating"] if asked else None), f"of {asked}", "failed_while_updating"


def _isolated(m: Measurement) -> _Found:
    tried = m.detail["tried"]
    return (m.detail["held"] if tried else None), f"of {tried} held", "probes"


def _quick(m: Measurement) -> _Found:
    return _median(m.samples), "s", "samples_s"


def _constrained(m: Measurement) -> _Found:
    share, memory = m.detail["cpu_share"], m.detail["memory_limit"]
    held: dict[str, bool] = {}
    if share["measured"] is not None:
        held["CPU"] = bool(share["measured"] <= CPU_TOLERANCE * share["expected"])
    if memory["held"] is not None:
        held["memory"] = memory["held"]
    # A limit that nobody could try is not listed; the evidence says why.
    return held or None, "", "cpu_share" if "memory" not in held else "memory_limit"


def _monitored(m: Measurement) -> _Found:
    signals = m.detail["telemetry"]
    return sum(1 for came in signals.values() if came), f"of {len(signals)}", "telemetry"


def _reliable(m: Measurement) -> _Found:
    return _median(m.detail["recovery_s"]), "s", "recovery_s"


def _cost(m: Measurement) -> _Found:
    return m.detail["usd_per_million"], "usd per million requests", "usd_per_million"


_SOURCES: dict[str, tuple[str, Callable[[Measurement], _Found]]] = {
    "languages": ("delivery", _languages),
    "instances": ("scaling", _instances),
    "independent": ("delivery", _independent),
    "isolated": ("isolation", _isolated),
    "quick": ("delivery", _quick),
    "constrained": ("delivery", _constrained),
    "monitored": ("delivery", _monitored),
    "reliable": ("delivery", _reliable),
    "cost": ("cost", _cost),
}
