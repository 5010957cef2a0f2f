"""From measured durations to the billed duration of an average request, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workbench.errors import WorkbenchError
from workbench.faas.running.billing import TODAY, BillingRule
from workbench.statistics import Estimate, difference


def billed_mean(
    durations_ms: Sequence[float],
    rule: BillingRule = TODAY,
    *,
    init_ms: Sequence[float] = (),
    cold_share: float = 0.0,
    seed: int = 0,
) -> Estimate:
    """Mean billed milliseconds of a request whose handler takes `durations_ms`, with a 95% bootstrap interval.

    `cold_share` (0 to 1) of the requests start cold and also spend one of `init_ms`, which `rule` bills or not. Raises
    WorkbenchError where there are no durations, or cold requests without an init time.
    """
    if not durations_ms:
        raise WorkbenchError("There are no durations to bill. Measure the handler at least once.")
    if not 0 <= cold_share <= 1:
        raise WorkbenchError(f"The share of cold requests is {cold_share:g}; it must be from 0 to 1.")
    if cold_share and not init_ms:
        raise WorkbenchError("Some requests start cold, but no init time was measured. Measure cold starts first.")
    init = math.fsum(init_ms) / len(init_ms) if cold_share else 0.0
    billed = [
        (1 - cold_share) * rule.billed_ms(duration) + (cold_share * rule.billed_ms(duration, init) if cold_share else 0)
        for duration in durations_ms
    ]
    return difference(billed, [0.0], "mean", seed=seed)
