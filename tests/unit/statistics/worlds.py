"""Distributions that latencies really have: skewed, in two groups, rounded by a coarse clock; their truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

Draw = Callable[[np.random.Generator, Any], Any]


def lognormal(rng: np.random.Generator, size: Any) -> Any:
    return rng.lognormal(0, 0.4, size)


def bimodal(rng: np.random.Generator, size: Any) -> Any:
    """Two cold starts of five hit a cold page cache and take half as long again."""
    return np.where(rng.random(size) < 0.4, 1.5, 1.0) * rng.lognormal(0, 0.05, size)


def ties(rng: np.random.Generator, size: Any) -> Any:
    """A clock that only ticks five times in the time that is measured."""
    return np.maximum(0.2, np.round(5 * rng.lognormal(0, 0.4, size)) / 5)


def heavy(rng: np.random.Generator, size: Any) -> Any:
    """A tail so heavy that it has no variance."""
    return 1 + rng.pareto(1.5, size)


WORLDS: dict[str, Draw] = {"lognormal": lognormal, "bimodal": bimodal, "ties": ties, "heavy": heavy}


def truth(draw: Draw, q: float) -> float:
    """The `q`-th percentile of the distribution; of two modes, from so many draws that its error does not matter."""
    if draw is lognormal:
        return float(stats.lognorm(0.4).ppf(q / 100))
    if draw is heavy:
        return float(1 + stats.lomax(1.5).ppf(q / 100))
    if draw is ties:
        return float(max(0.2, np.round(5 * stats.lognorm(0.4).ppf(q / 100)) / 5))
    return float(np.percentile(draw(np.random.default_rng(1), 1_000_000), q))


def least(trials: int, claimed: float = 0.95) -> float:
    """The share of trials below which, if the claim were true, fewer than one test in a thousand would come."""
    return float(stats.binom(trials, claimed).ppf(0.001)) / trials
