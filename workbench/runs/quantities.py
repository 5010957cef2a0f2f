"""A measurement's numbers with their unit, as people read them."""

from __future__ import annotations

from workbench.findings.wording import DASH, dollars, milliseconds, seconds, significant


def quantity(value: float | None, unit: str) -> str:
    """`value` in `unit`: 12.3 ms, 1.2 s, $0.27."""
    if value is None:
        return DASH
    known = {"ms": milliseconds, "s": seconds, "usd": dollars}
    return known[unit](value) if unit in known else f"{significant(value)}\u00a0{unit}"


def interval_of(ends: tuple[float | None, float | None], unit: str) -> str:
    """An interval: `[10.1 ms .. 12.3 ms]`; an end that the samples cannot bound is a question mark."""
    if ends == (None, None):
        return "too few"
    low, high = (quantity(end, unit) if end is not None else "?" for end in ends)
    number, space, named = low.rpartition("\u00a0")
    return f"[{number}..{high}]" if space and high.endswith(f"{space}{named}") else f"[{low}..{high}]"
