"""The nine forces of the pattern as a table reads them: their short titles, and each cell as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.findings.wording import dollars, listed, milliseconds, number, seconds, setting, shortened, significant
from workbench.records import Run

FORCES: dict[str, str] = {
    "languages": "Many languages and frameworks",
    "instances": "Several instances for throughput and availability",
    "independent": "Independently deployable and scalable",
    "isolated": "Instances isolated from one another",
    "quick": "Quick to build and deploy",
    "constrained": "CPU and memory can be constrained",
    "monitored": "Each instance's behaviour can be monitored",
    "reliable": "Reliable deployment",
    "cost": "Cost-effective",
}
"""The forces that a deployment pattern resolves, by their key in a run, in the pattern's order."""

NOTHING = "not measured"


def rows(run: Run) -> dict[str, str]:
    """Every force that the table shows, by key with its title: the nine, and what else the run holds."""
    return {**FORCES, **{key: shortened(str(key), 40) for key in run.tradeoff if key not in FORCES}}


def cell(run: Run, force: str, deployment: str) -> Mapping[str, Any]:
    """One cell as the run holds it; empty when it is not there."""
    found: Any = run.tradeoff.get(force)
    inner = found.get(deployment) if isinstance(found, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def kind(content: Mapping[str, Any]) -> str:
    """A cell's provenance in one word: measured, recorded or modelled; empty when the cell is."""
    provenance: Any = content.get("provenance")
    if isinstance(provenance, Mapping):
        provenance = provenance.get("kind")
    return str(provenance) if provenance and content.get("value") is not None else ""


def text(content: Mapping[str, Any]) -> str:
    """A cell's value with its unit, as a person reads it."""
    return _value(content.get("value"), str(content.get("unit") or ""))


def measure(run: Run, force: str) -> str:
    """What stands in a force's cells, in a few words; empty when the run does not say."""
    row: Any = run.tradeoff.get(force)
    cells = row.values() if isinstance(row, Mapping) else ()
    return next((str(c["measure"]) for c in cells if isinstance(c, Mapping) and c.get("measure")), "")


def _value(value: Any, unit: str) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return f"{'yes' if value else 'no'}{f' ({unit})' if unit else ''}"
    found = number(value)
    if found is not None:
        return _quantity(found, unit)
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        return f"{listed(_value(v, '') for v in value)} {unit}".strip() if value else "none"
    return f"{shortened(str(value), 120)} {unit}".strip()


def _quantity(value: float, unit: str) -> str:
    lowered = unit.lower()
    if lowered == "ms":
        return milliseconds(value)
    if lowered in ("s", "seconds"):
        return seconds(value)
    if lowered.startswith(("usd", "$")):
        return f"{dollars(value)} {unit[3:] if lowered.startswith('usd') else unit[1:]}".replace("  ", " ").strip()
    if lowered in ("x", "×"):
        return f"{significant(value)}×"
    if lowered in ("%", "percent"):
        return f"{significant(value)} %"
    shown = setting(value) if value == int(value) else significant(value)
    return f"{shown} {unit}".strip()


def _mapping(value: Mapping[str, Any]) -> str:
    if value and all(isinstance(inner, bool) for inner in value.values()):
        return ", ".join(f"{key} {'held' if inner else 'not held'}" for key, inner in value.items())
    return ", ".join(f"{str(key).replace('_', ' ')} {_value(inner, '')}" for key, inner in value.items())
