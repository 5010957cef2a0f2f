"""Percentiles with confidence intervals, comparisons that say when a difference is only noise, drift, sample sizes.

numpy and scipy are imported where they are needed: importing them takes longer than all the rest of us.
"""

from workbench.statistics.bootstrap import (
    FEWEST_FOR_VERDICT,
    RESAMPLES,
    Statistic,
    Verdict,
    bootstrap_ratio,
    difference,
    verdict,
)
from workbench.statistics.drift import drift
from workbench.statistics.estimate import Estimate
from workbench.statistics.percentiles import interval, percentile, ranks, summary
from workbench.statistics.sample_size import fewest_for_interval, more_of_each_to_halve, more_to_halve

__all__ = [
    "FEWEST_FOR_VERDICT",
    "RESAMPLES",
    "Estimate",
    "Statistic",
    "Verdict",
    "bootstrap_ratio",
    "difference",
    "drift",
    "fewest_for_interval",
    "interval",
    "more_of_each_to_halve",
    "more_to_halve",
    "percentile",
    "ranks",
    "summary",
    "verdict",
]
