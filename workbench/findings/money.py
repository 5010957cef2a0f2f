"""What the cost model says: which deployment is cheapest at which request rate, and where that changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, Selection, display_name, name_of, select
from workbench.findings.wording import (
    DASH,
    capitalised,
    dollars,
    entries,
    listed,
    number,
    numbers,
    rate_per_hour,
    significant,
)
from workbench.records import Measurement

Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class BreakEven:
    """The rate (requests/h) at which two deployments cost the same, with its interval where known.

    Below it `below` is the cheaper, above it `above`; both are names for people.
    """

    below: str
    above: str
    rate_per_h: float
    low: float | None
    high: float | None

    @property
    def span(self) -> str:
        """`10,100 requests/h (2.8/s), interval 9,800–10,400`."""
        base = rate_per_hour(self.rate_per_h)
        if self.low is None or self.high is None:
            return base
        return f"{base}, interval {significant(self.low)}{DASH}{significant(self.high)}"


def curve(m: Measurement) -> Curve:
    """US dollars per hour by request rate per hour, rising rates, both above zero (as log axes need)."""
    points = []
    for entry in entries(m.detail.get("hourly_usd_by_rate")):
        found = numbers(entry)
        if len(found) == 2 and found[0] > 0 and found[1] > 0:
            points.append((found[0], found[1]))
    return tuple(sorted(points))


def at_rate(points: Curve, rate: float) -> float | None:
    """The cost at `rate`, interpolated between the points on log axes; None outside them."""
    for (left, low), (right, high) in pairwise(points):
        if left <= rate <= right:
            share = (math.log(rate) - math.log(left)) / (math.log(right) - math.log(left)) if right > left else 0.0
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return None


def break_evens(selection: Selection) -> tuple[BreakEven, ...]:
    """Every pair's break-even, once each, lowest rate first."""
    names = {m.deployment: name_of(m) for m in selection.measurements}
    found: dict[frozenset[str], BreakEven] = {}
    for m in selection.measurements:
        for entry in entries(m.detail.get("break_even")):
            if not isinstance(entry, dict):
                continue
            rate, against = number(entry.get("rate_per_h")), str(entry.get("against", ""))
            pair = frozenset({m.deployment, against})
            if rate is None or rate <= 0 or len(pair) < 2 or pair in found:
                continue
            other = names.get(against) or display_name(against)
            below, above = _sides(selection, m, against, rate, other)
            found[pair] = BreakEven(below, above, rate, number(entry.get("low")), number(entry.get("high")))
    return tuple(sorted(found.values(), key=lambda b: b.rate_per_h))


def _sides(selection: Selection, m: Measurement, against: str, rate: float, other: str) -> tuple[str, str]:
    curves = {n.deployment: curve(n) for n in selection.measurements}
    mine, theirs = at_rate(curves[m.deployment], rate / 2), at_rate(curves.get(against, ()), rate / 2)
    cheaper_below = m.deployment == "serverless" if mine is None or theirs is None else mine <= theirs
    return (name_of(m), other) if cheaper_below else (other, name_of(m))


def cheapest_at(selection: Selection, rate: float) -> tuple[str, float] | None:
    """Name and USD per hour of the cheapest deployment at `rate` requests/h; None when no curve reaches it."""
    costs = [(usd, name_of(m)) for m in selection.measurements if (usd := at_rate(curve(m), rate)) is not None]
    return (min(costs)[1], min(costs)[0]) if costs else None


def cost(measured: Measured) -> Finding:
    """The finding of the cost model."""
    selection = select(measured, "cost")
    if not any(curve(m) for m in selection.measurements):
        return Finding("No cost was modelled", (), selection.notes, selection.provenance)
    crossings = break_evens(selection)
    reading = (*_regions(crossings), *_at_measured_rate(selection), *_per_million(selection), _basis(selection))
    return Finding(_title(selection, crossings), reading, selection.notes, selection.provenance)


def _title(selection: Selection, crossings: Sequence[BreakEven]) -> str:
    if not crossings:
        cheapest = {
            found[0] for m in selection.measurements for r, _ in curve(m) if (found := cheapest_at(selection, r))
        }
        if len(selection.measurements) > 1 and len(cheapest) == 1:
            return f"{capitalised(cheapest.pop())} is the cheapest at every rate shown"
        return "What an hour costs by request rate"
    # The first crossing is where the cheapest at low rates loses its place.
    first = crossings[0]
    return f"{capitalised(first.below)} is cheaper than {first.above} up to about {rate_per_hour(first.rate_per_h)}"


def _regions(crossings: Sequence[BreakEven]) -> tuple[str, ...]:
    if not crossings:
        return ("No break-even was found within the rates shown.",)
    parts = [f"{b.below} and {b.above} cost the same at about {b.span}" for b in crossings]
    return (
        f"{capitalised('; '.join(parts))}. Below its break-even the first named of "
        "each pair is the cheaper, above it the second.",
    )


def _at_measured_rate(selection: Selection) -> tuple[str, ...]:
    rates = {rate for m in selection.measurements if (rate := number(m.detail.get("at_rate_per_h"))) and rate > 0}
    if len(rates) != 1:
        return ()
    rate = rates.pop()
    found = cheapest_at(selection, rate)
    if not found:
        return ()
    return (
        f"At the rate this comparison assumes, {rate_per_hour(rate)}, {found[0]} is the cheapest: "
        f"{dollars(found[1])} an hour.",
    )


def _per_million(selection: Selection) -> tuple[str, ...]:
    parts = []
    for m in selection.measurements:
        usd = number(m.detail.get("usd_per_million"))
        if usd is not None:
            parts.append(f"{name_of(m)} {dollars(usd)}")
    return (f"A million requests at that rate: {', '.join(parts)}.",) if parts else ()


def _basis(selection: Selection) -> str:
    details: list[Any] = [m.detail for m in selection.measurements]
    dates = dict.fromkeys(str(d["price_book_date"]) for d in details if d.get("price_book_date"))
    rules = dict.fromkeys(str(d["rule"]) for d in details if d.get("rule"))
    book = f" of {listed(dates)}" if dates else ""
    rule = f" Billing rule: {'; '.join(rules)}." if rules else ""
    return f"Prices are list prices from the price book{book}, not an invoice.{rule}"
