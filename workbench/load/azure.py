"""Arrivals modelled after a provider's: many applications, few of them busy, some bursty, over a day and a night.

Source of every published figure: Shahrad et al., "Serverless in the Wild: Characterizing and Optimizing the Serverless
Workload at a Large Cloud Provider", USENIX ATC 2020 (Azure Functions, July 2019). Modelled, not recorded: what the
paper gives as a share is drawn here from the simplest distribution that has it, and the choices of ours are named so.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from workbench.errors import WorkbenchError
from workbench.load.schedule import Schedule, check_bounds

HOURLY_SHARE, MINUTELY_SHARE = 0.45, 0.81
"""Published: 45% of applications are invoked at most once an hour on average, 81% at most once a minute."""

BURSTY_SHARE = 0.40
"""Published: 40% of applications have inter-arrival times with a coefficient of variation above 1."""

BURSTY_CV = 3.0
"""Our choice: the coefficient of variation of those; the others arrive as a Poisson process, whose is 1."""

CONSTANT_SHARE = 0.5
"""Published: about half of the load is a constant baseline. Our choice: the rest is one cosine a day, without weeks."""

SOURCE = "modelled after Shahrad et al., Serverless in the Wild, USENIX ATC 2020"

_MOST_APPS = 10_000
_GRID = 10_001

Floats = npt.NDArray[np.float64]


def azure_like(
    rate: float, duration_s: float, *, apps: int = 100, day_s: float | None = None, seed: int = 0
) -> Schedule:
    """The merged arrivals of `apps` applications, `rate` a second on average over whole days: modelled (see above).

    The applications' average rates are log-normal through the two published shares, all multiplied by one number to
    make `rate`: real days are too quiet for a lab. A day lasts `day_s` seconds, by default `duration_s`, and begins at
    its quietest moment. Raises WorkbenchError past the bounds of a load, and when no arrival falls into it.
    """
    day_s = duration_s if day_s is None else day_s
    check_bounds(rate * (2 - CONSTANT_SHARE), duration_s, rate * duration_s * (2 - CONSTANT_SHARE))
    if not 1 <= apps <= _MOST_APPS:
        raise WorkbenchError(f"There are {apps} applications; choose from 1 to {_MOST_APPS:,}.")
    if not (math.isfinite(day_s) and day_s > 0):
        raise WorkbenchError(f"A day lasts {day_s:g} s; choose a length above 0.")
    rng = np.random.default_rng(seed)
    daily = app_rates(apps, rng)
    clock, passed = _activity(duration_s, day_s)
    expected = daily / daily.sum() * rate * passed[-1]
    bursty = rng.random(apps) < BURSTY_SHARE
    marks = [
        _renewals(mean, BURSTY_CV if wild else 1.0, rng) for mean, wild in zip(expected.tolist(), bursty, strict=True)
    ]
    planned = np.interp(np.sort(np.concatenate(marks)) * passed[-1], passed, clock)
    if not planned.size:
        raise WorkbenchError("No arrival falls into this load. Raise the rate or the duration, or take another seed.")
    return Schedule(
        "azure",
        tuple(planned.tolist()),
        duration_s,
        rate * (2 - CONSTANT_SHARE),
        seed,
        f"{SOURCE}; {apps} applications",
    )


def app_rates(apps: int, rng: np.random.Generator) -> Floats:
    """Average invocations a second of `apps` applications, log-normal through HOURLY_SHARE and MINUTELY_SHARE."""
    mean, deviation = rate_distribution()
    return np.exp(rng.normal(mean, deviation, apps))


def rate_distribution() -> tuple[float, float]:
    """Mean and standard deviation of the natural logarithm of an application's invocations a second."""
    low, high = (NormalDist().inv_cdf(share) for share in (HOURLY_SHARE, MINUTELY_SHARE))
    deviation = (math.log(1 / 60) - math.log(1 / 3600)) / (high - low)
    return math.log(1 / 3600) - low * deviation, deviation


def _activity(duration_s: float, day_s: float) -> tuple[Floats, Floats]:
    """Moments of the load, and the integral of the day's course (mean 1) until each: seconds of average activity."""
    clock = np.linspace(0.0, duration_s, _GRID)
    wave = day_s / (2 * math.pi) * np.sin(2 * math.pi * clock / day_s)
    return clock, clock - (1 - CONSTANT_SHARE) * wave


def _renewals(mean: float, cv: float, rng: np.random.Generator) -> Floats:
    """Points in [0, 1), `mean` of them expected, of a stationary renewal process whose intervals vary by `cv` ≥ 1.

    Intervals are hyper-exponential with balanced means (Whitt, Operations Research 30, 1982, section 3): short ones and
    long ones, each kind with half of the time. So the interval that 0 falls into is of either kind with probability
    1/2, and what remains of it is exponential again: the process is stationary from its first point.
    """
    short = (1 + math.sqrt((cv**2 - 1) / (cv**2 + 1))) / 2
    rates = (2 * short * mean, 2 * (1 - short) * mean)
    points: list[float] = []
    at = rng.exponential() / rates[int(rng.random() < 0.5)]
    while at < 1.0:
        points.append(at)
        at += rng.exponential() / rates[int(rng.random() >= short)]
    return np.array(points)
