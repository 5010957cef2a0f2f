"""A cost as the lines of a bill, so that a report can show what each dollar is for and where its price is from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from workbench.cost.prices import Price


@dataclass(frozen=True)
class Line:
    """One item of a bill in US dollars, with the formula that gives it and its price's source and status (V, S, U)."""

    item: str
    usd: float
    formula: str
    source: str
    status: str


@dataclass(frozen=True)
class Cost:
    """The lines of a bill `basis` is for, such as "1,000,000 requests"."""

    basis: str
    lines: tuple[Line, ...]

    @property
    def usd(self) -> float:
        """Their sum in US dollars."""
        return math.fsum(line.usd for line in self.lines)

    def to_json(self) -> list[dict[str, Any]]:
        """The lines as a measurement's detail keeps them."""
        return [asdict(line) for line in self.lines]


def line(item: str, quantity: float, formula: str, price: Price, per: float = 1.0) -> Line:
    """The line for `quantity` at a price that is for `per` of them; `formula` says how the quantity came about."""
    usd = quantity / per * price.usd
    source = f"{price.source}, {price.region}, entered {price.date}"
    return Line(item, usd, f"{formula} × ${price.usd:.10g} per {price.unit}", source, price.status)
