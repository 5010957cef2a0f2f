"""A value with the interval that the samples leave it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval, in the unit of its inputs (a ratio has none)."""

    value: float
    low: float
    high: float
    confidence: float = 0.95
