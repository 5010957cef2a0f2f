"""What is said of the idle expiry: how long an instance is kept, and how many requests that leaves to wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import capitalised, entries, listed, number, pair, seconds, setting, significant
from workbench.records import Measurement


def keep_alive(measured: Measured) -> Finding:
    """The finding of a keep-alive probe; of several, that of the first deployment."""
    selection = select(measured, "keep_alive")
    if not selection.measurements:
        return Finding("No idle expiry was probed", (), selection.notes, selection.provenance)
    m = selection.measurements[0]
    return Finding(_kept(m), (_uncertainty(m), _tries(m)), (*selection.notes, *_doubts(m)), selection.provenance)


def bounds(m: Measurement) -> tuple[float, float | None]:
    """The ends of the bracket in s; the upper is None where no instance expired."""
    return number(m.detail.get("low_s")) or 0.0, number(m.detail.get("high_s"))


def _kept(m: Measurement) -> str:
    low, high = bounds(m)
    if high is None and not m.detail.get("varies"):
        return f"{capitalised(name_of(m))} kept every instance that was idle for up to {seconds(low)}"
    if m.detail.get("varies"):
        end = f"all were gone after {seconds(high)}" if high is not None else "how long at most was not found"
        return f"{capitalised(name_of(m))} keeps idle instances for different times: all for {seconds(low)}; {end}"
    return f"{capitalised(name_of(m))} keeps an idle instance for between {seconds(low)} and {seconds(high)}"


def _uncertainty(m: Measurement) -> str:
    low, high = bounds(m)
    if high is None or m.detail.get("varies"):
        return "No single expiry is claimed."
    return f"That is {seconds((low + high) / 2)} ± {seconds((high - low) / 2)}: the bracket, not an estimate of chance."


def _tries(m: Measurement) -> str:
    rows = [r for r in entries(m.detail.get("by_gap")) if isinstance(r, Mapping)]
    parts = [f"{r['cold']} of {r['of']} at {seconds(number(r['gap_s']))}" for r in rows]
    return f"Cold, by how long the instance was idle: {listed(parts)}." if parts else "No wait was confirmed."


def _doubts(m: Measurement) -> tuple[str, ...]:
    found = []
    if not m.detail.get("resolved"):
        found.append("The probe ended before the bracket was as narrow as asked.")
    if unconfirmed := number(m.detail.get("unconfirmed")):
        found.append(f"{unconfirmed:.0f} waits could not be confirmed as cold or warm and are left out.")
    return tuple(found)


def cold_share(measured: Measured) -> Finding:
    """The finding of the share of cold requests by rate; of several deployments, that of the first."""
    selection = select(measured, "cold_share")
    found = rows(selection.measurements[0]) if selection.measurements else []
    if not found:
        return Finding("No share of cold requests was measured", (), selection.notes, selection.provenance)
    first, last = found[0], found[-1]
    title = f"At {_rate(first)}, {_percent(first['share'])} of the requests start cold"
    if len(found) > 1:
        title += f"; at {_rate(last)}, {_percent(last['share'])}"
    m = selection.measurements[0]
    provenance = selection.provenance
    if m.detail.get("model"):
        provenance += f" · the line is modelled: {m.detail['model']}"
    return Finding(title, (_shares(found), *_model(found)), (*selection.notes, *_lost(found)), provenance)


def rows(m: Measurement) -> list[dict[str, Any]]:
    """What was found at each rate that has a share, the lowest rate first."""
    found = [dict(r) for r in entries(m.detail.get("rates")) if isinstance(r, Mapping) and r.get("share") is not None]
    return sorted(found, key=lambda r: float(r["rate_per_s"]))


def _rate(row: Mapping[str, Any]) -> str:
    return f"{setting(float(row['rate_per_s']))}/s"


def _percent(share: float) -> str:
    return "none" if share == 0 else f"{significant(100 * share, 2)} %"


def _shares(found: list[dict[str, Any]]) -> str:
    parts = []
    for r in found:
        interval = pair(r.get("ci95"))
        span = f", 95 % interval {100 * interval[0]:.0f}–{100 * interval[1]:.0f} %" if interval else ""
        parts.append(f"{_rate(r)}: {r['cold']} of {r['of']}{span}")
    return f"Cold requests: {'; '.join(parts)}."


def _model(found: list[dict[str, Any]]) -> tuple[str, ...]:
    outside = []
    for r in found:
        modelled, interval = pair(r.get("modelled_share")), pair(r.get("ci95"))
        if modelled is None or interval is None:
            return ()
        if modelled[1] < interval[0] or modelled[0] > interval[1]:
            outside.append(_rate(r))
    if outside:
        return (f"The modelled share lies outside the interval at {listed(outside)}.",)
    return ("The modelled share lies in the interval at every rate.",)


def _lost(found: list[dict[str, Any]]) -> tuple[str, ...]:
    lost = sum(int(r.get("unconfirmed") or 0) for r in found)
    return (f"{lost} requests had no good or no clear answer and are left out.",) if lost else ()
