"""How well supply followed demand: the elasticity metrics of SPEC's research group, from two stairs over time. Pure.

Herbst, Kounev, Reussner, "Elasticity in Cloud Computing: What It Is, and What It Is Not" (ICAC 2013); with formulas:
Herbst et al., "BUNGEE: An Elasticity Benchmark for Self-Adaptive IaaS Cloud Environments" (SEAMS 2015) and "Ready for
Rain? A View from SPEC Research on the Future of Cloud Metrics" (SPEC-RG-2016-01). With demand d and supply s over T:

    accuracy, under    θ_U = 100/T · Σ max(d − s, 0) / d · Δt       (in percent of the demand; where d is 0, of 1)
    accuracy, over     θ_O = 100/T · Σ max(s − d, 0) / d · Δt
    timeshare, under   τ_U = 100/T · Σ Δt where d > s               (in percent of the time)
    timeshare, over    τ_O = 100/T · Σ Δt where s > d

All four are 0 for a perfectly elastic service. `against` is BUNGEE's elastic speedup: the geometric mean of the four
ratios to a baseline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from workbench.errors import WorkbenchError

Stairs = Sequence[Sequence[float]]
"""[[seconds, number], ...] with rising times: the number holds from its time to the next."""


@dataclass(frozen=True)
class Elasticity:
    """The four metrics in percent, smaller is better; `over_s` seconds were looked at."""

    under_accuracy: float
    over_accuracy: float
    under_timeshare: float
    over_timeshare: float
    over_s: float

    def against(self, baseline: Elasticity, least: float = 1.0) -> float:
        """How many times better than `baseline`; above 1 is better. Less than `least` percent counts as `least`."""
        ratios = [
            max(theirs, least) / max(ours, least) for ours, theirs in zip(_four(self), _four(baseline), strict=True)
        ]
        return math.prod(ratios) ** (1 / len(ratios))


def _four(found: Elasticity) -> tuple[float, ...]:
    return found.under_accuracy, found.over_accuracy, found.under_timeshare, found.over_timeshare


def demand(
    planned_s: Sequence[float], service_s: float, until_s: float, *, at_once: int = 1, every_s: float = 1.0
) -> list[list[float]]:
    """Instances that the planned load needs, by step: Little's law, requests a second × `service_s` / `at_once`, up.

    `service_s` is how long one request by itself occupies its place in an instance, `at_once` how many places that has.
    Raises WorkbenchError where one of the numbers is not above 0.
    """
    if not (service_s > 0 and until_s > 0 and at_once >= 1 and every_s > 0):
        raise WorkbenchError("Demand needs a service time, a duration, a place in each instance and a step above 0.")
    steps = math.ceil(round(until_s / every_s, 9))
    counts = [0] * steps
    for at in planned_s:
        if at < until_s:
            counts[int(at / every_s)] += 1
    return [
        [k * every_s, float(math.ceil(round(count * service_s / every_s / at_once, 9)))]
        for k, count in enumerate(counts)
    ]


def elasticity(demanded: Stairs, supplied: Stairs, until_s: float) -> Elasticity:
    """The metrics of `supplied` against `demanded` from 0 to `until_s`; both begin at 0.

    Raises WorkbenchError where one of the two does not begin at 0 or its times do not rise.
    """
    for stairs in (demanded, supplied):
        times = [at for at, _ in stairs]
        if not times or times[0] != 0 or times != sorted(times) or until_s <= 0:
            raise WorkbenchError(
                "Demand and supply are stairs that begin at 0 s, with rising times, up to a time above 0."
            )
    edges = sorted({at for stairs in (demanded, supplied) for at, _ in stairs if at < until_s} | {until_s})
    sums = [0.0] * 4
    for begin, end in pairwise(edges):
        d, s, span = _at(demanded, begin), _at(supplied, begin), end - begin
        sums[0] += max(d - s, 0) / max(d, 1) * span
        sums[1] += max(s - d, 0) / max(d, 1) * span
        sums[2] += span if d > s else 0.0
        sums[3] += span if s > d else 0.0
    under, over, under_time, over_time = (100 * total / until_s for total in sums)
    return Elasticity(under, over, under_time, over_time, until_s)


def _at(stairs: Stairs, moment: float) -> float:
    value = stairs[0][1]
    for at, number in stairs:
        if at > moment:
            break
        value = number
    return value
