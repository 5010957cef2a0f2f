"""A modelled bill, line by line."""

from __future__ import annotations

from workbench.cost import Cost
from workbench.cost.prices import STATUS_WORDS
from workbench.labs.panel import Panel, table

AMOUNTS = ("nothing", "less than a dollar", "1 to 10 dollars", "more than 10 dollars")
"""The choices of a question about a bill."""


def amount(usd: float) -> str:
    """Which of AMOUNTS a sum is."""
    return AMOUNTS[(usd > 0) + (usd >= 1) + (usd > 10)]


def bill(cost: Cost) -> Panel:
    """Every line of a bill that is not zero, with how it comes about, and where its price is from."""
    rows = [[e.item, f"${e.usd:,.2f}", e.formula] for e in cost.lines if e.usd] + [
        ["together", f"${cost.usd:,.2f}", ""]
    ]
    html, text = table(["for", "US dollars", "how it comes about"], rows)
    sources = "; ".join(dict.fromkeys(f"{e.source} ({STATUS_WORDS[e.status]})" for e in cost.lines if e.usd))
    note = f"Modelled, not measured: list prices, {sources or 'none used'}."
    return Panel(f"Bill for {cost.basis}", f'{html}<div style="opacity:.75">{note}</div>', f"{text}\n{note}")
