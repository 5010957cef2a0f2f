"""How numbers and names read in titles, sentences and tables: rounded to what they can bear, with their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

DASH = "–"


def number(value: Any) -> float | None:
    """`value` as a finite float; None when it is anything else (runs may be partial)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def entries(value: Any) -> list[Any]:
    """`value` as a list when it is one; empty when it is anything else."""
    return list(value) if isinstance(value, list | tuple) else []


def numbers(values: Any) -> list[float]:
    """The finite numbers among `values`, in order; empty when it is no sequence."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        return []
    return [found for value in values if (found := number(value)) is not None]


def pair(value: Any) -> tuple[float, float] | None:
    """An interval `[low, high]` of two finite numbers in order; None when it is anything else."""
    found = numbers(value)
    return (found[0], found[1]) if len(found) == 2 and found[0] <= found[1] else None


def significant(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits without an exponent, thousands separated: 0.0123, 8.31, 12,300."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else DASH
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    return f"{rounded:,.{max(decimals, 0)}f}"


def setting(value: float) -> str:
    """A number somebody chose, as chosen: 60, 0.5."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """A duration given in ms: ms below one second, s from there."""
    if value is None:
        return DASH
    return f"{significant(value)}\u00a0ms" if abs(value) < 999.5 else f"{significant(value / 1000)}\u00a0s"


def goal(value: float) -> str:
    """A latency goal given in ms, as somebody set it: 50 ms."""
    return f"{setting(value)}\u00a0ms" if value < 1000 else f"{setting(value / 1000)}\u00a0s"


def milliseconds_range(interval: tuple[float, float]) -> str:
    """An interval of durations in ms, the unit said once."""
    low, high = interval
    if abs(high) < 999.5:
        return f"{significant(low)}{DASH}{significant(high)}\u00a0ms"
    return f"{significant(low / 1000)}{DASH}{significant(high / 1000)}\u00a0s"


def seconds(value: float | None) -> str:
    """A duration given in s: ms below a tenth of a second."""
    if value is None:
        return DASH
    return milliseconds(value * 1000) if 0 < abs(value) < 0.1 else f"{significant(value, 2 if value < 1 else 3)}\u00a0s"


def dollars(value: float | None) -> str:
    """An amount of US dollars: cents from one dollar up, three significant digits below."""
    if value is None:
        return DASH
    return f"${value:,.2f}" if abs(value) >= 1 else f"${significant(value)}"


def times(ratio: float) -> str:
    """A ratio: finer near 1, where it matters: 1.02×, 8.0×, 52×."""
    return f"{ratio:.2f}×" if ratio < 1.995 else f"{ratio:.1f}×" if ratio < 9.95 else f"{ratio:,.0f}×"


def rate_per_hour(rate: float) -> str:
    """A request rate per hour, with its rate per second from one per second up."""
    hourly = f"{significant(rate)} requests/h"
    return f"{hourly} ({significant(rate / 3600, 2)}/s)" if rate >= 3600 else hourly


def listed(words: Iterable[str], conjunction: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def capitalised(text: str) -> str:
    """`text` with its first letter a capital, the rest untouched."""
    return text[:1].upper() + text[1:]


def shortened(text: str, limit: int) -> str:
    """`text` on one line, cut at `limit` characters with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
