"""Billed duration: what one invocation costs in milliseconds, by named rules."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BillingRule:
    """How a duration becomes a billed duration: rounded up to `step_ms`; `init` says if a cold start's Init counts."""

    name: str
    step_ms: int
    init: bool
    source: str

    def billed_ms(self, duration_ms: float, init_ms: float = 0.0) -> int:
        """Milliseconds billed for a handler that took `duration_ms` after an Init of `init_ms` (0 when warm)."""
        total = duration_ms + (init_ms if self.init else 0.0)
        # Rounded to the microsecond first, so that 3.0000000000000004 is not billed as 4.
        return max(1, math.ceil(round(total, 3) / self.step_ms)) * self.step_ms


RULES: dict[str, BillingRule] = {
    rule.name: rule
    for rule in (
        BillingRule("1ms-with-init", 1, True, "AWS Lambda since 2025-08-01: INIT is billed"),
        BillingRule("1ms", 1, False, "AWS Lambda from 2020-12 to 2025-07: 1 ms steps, on-demand INIT of a ZIP free"),
        BillingRule("100ms", 100, False, "AWS Lambda before 2020-12: 100 ms steps, as the pattern's text says"),
    )
}

TODAY = RULES["1ms-with-init"]
