"""How many instances to have: the algorithm of Kubernetes' Horizontal Pod Autoscaler, without clock, thread or I/O.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling", sections "Algorithm details" and "Configurable scaling
behavior", and the reference of `HorizontalPodAutoscalerBehavior` (autoscaling/v2). Its defaults are the ones here:
sync period 15 s, tolerance 0.1, no stabilisation when scaling up and 300 s when scaling down, up by 100% or 4 pods
(whichever is more) in 15 s, down by 100% in 15 s. Pods without a metric are left out of its mean by who samples it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from workbench.errors import DeploymentError

SYNC_PERIOD_S = 15.0
"""`--horizontal-pod-autoscaler-sync-period`."""

TOLERANCE = 0.1
"""`--horizontal-pod-autoscaler-tolerance`: the ratio to the target that is near enough to 1 to change nothing."""


class Unit(StrEnum):
    """What a policy's value counts."""

    INSTANCES = "instances"  # Kubernetes' `Pods`
    PERCENT = "percent"  # `Percent`, of the number at the beginning of the period


@dataclass(frozen=True)
class Policy:
    """The most that may change within `period_s` seconds."""

    unit: Unit
    value: int
    period_s: float


@dataclass(frozen=True)
class Behaviour:
    """One direction of scaling: the seconds looked back over before a change, and its policies; the widest counts.

    Without a policy this direction is closed (`selectPolicy: Disabled`).
    """

    stabilisation_s: float
    policies: tuple[Policy, ...]


SCALE_UP = Behaviour(0.0, (Policy(Unit.PERCENT, 100, 15.0), Policy(Unit.INSTANCES, 4, 15.0)))
SCALE_DOWN = Behaviour(300.0, (Policy(Unit.PERCENT, 100, 15.0),))


@dataclass(frozen=True)
class Rules:
    """What to aim at: the metric's mean per instance, and the least and most instances.

    Raises DeploymentError for rules that cannot be kept.
    """

    target: float
    least: int = 1
    most: int = 10
    tolerance: float = TOLERANCE
    up: Behaviour = SCALE_UP
    down: Behaviour = SCALE_DOWN

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target) and self.target > 0):
            raise DeploymentError(f"The autoscaler's target is {self.target}; it must be above 0.")
        if not 1 <= self.least <= self.most:
            raise DeploymentError(
                f"The autoscaler cannot keep between {self.least} and {self.most} instances; "
                "the least is 1 or more, the most not below it."
            )


@dataclass(frozen=True)
class Memory:
    """What earlier decisions leave for later ones: (seconds, number recommended) and (seconds, change made)."""

    recommended: tuple[tuple[float, int], ...] = ()
    changes: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Decision:
    """The number to have now, the number that the formula alone gave, why they differ, and what to remember."""

    number: int
    by_formula: int
    reason: str
    memory: Memory = field(repr=False)


def formula(current: int, metric: float, target: float, tolerance: float = TOLERANCE) -> int:
    """`ceil(current × metric / target)`; `current` where the ratio is within `tolerance` of 1."""
    # Rounded, since 1.1 is within 0.1 of 1, and 3 × 0.2 / 0.1 is 6, which floating point alone would not see.
    if round(abs(metric / target - 1.0), 9) <= tolerance:
        return current
    return math.ceil(round(current * metric / target, 9))


def decide(rules: Rules, memory: Memory, now_s: float, current: int, metric: float | None) -> Decision:
    """How many instances to have at `now_s`, with `current` of them and the metric's mean (None: there is none).

    `now_s` is of any clock that does not go back.
    """
    if not memory.recommended:  # what is there counts as recommended, so that it is not taken away at once
        memory = Memory(((now_s, current),), memory.changes)
    wanted = current if metric is None else formula(current, metric, rules.target, rules.tolerance)
    bounded = min(max(wanted, rules.least), rules.most)
    number, reason = _stabilised(rules, memory.recommended, now_s, current, bounded), ""
    if number != bounded:
        reason = "stabilisation window"
    number, limited = _limited(rules, memory.changes, now_s, current, number)
    reason = limited or reason
    if not rules.least <= number <= rules.most:  # outside its bounds from the start: brought back at once
        number, reason = min(max(number, rules.least), rules.most), "least and most"
    elif not reason and wanted != bounded:
        reason = "least and most"
    if metric is None:
        reason = "no metric"
    changes = (*memory.changes, (now_s, number - current)) if number != current else memory.changes
    recommended = (*memory.recommended, (now_s, bounded))
    return Decision(number, wanted, reason, _forgotten(rules, recommended, changes, now_s))


def _stabilised(rules: Rules, earlier: tuple[tuple[float, int], ...], now_s: float, current: int, wanted: int) -> int:
    # Up only to the least that was recommended within the window, down only to the most.
    up = min([wanted, *(n for at_s, n in earlier if at_s > now_s - rules.up.stabilisation_s)])
    down = max([wanted, *(n for at_s, n in earlier if at_s > now_s - rules.down.stabilisation_s)])
    return min(max(current, up), down)


def _limited(
    rules: Rules, changes: tuple[tuple[float, int], ...], now_s: float, current: int, wanted: int
) -> tuple[int, str]:
    """`wanted` as far as the policies of its direction allow, and the reason where that is less."""
    if wanted == current:
        return current, ""
    sign, behaviour = (1, rules.up) if wanted > current else (-1, rules.down)
    limits = [current]
    for policy in behaviour.policies:
        begin = current - sum(change for at_s, change in changes if at_s > now_s - policy.period_s)
        if policy.unit is Unit.INSTANCES:
            limits.append(begin + sign * policy.value)
        else:
            change = math.ceil(begin * policy.value / 100)  # rounded up in both directions, as documented
            limits.append(begin + sign * change)
    limit = max(limits) if sign > 0 else min(limits)
    if sign * wanted <= sign * limit:
        return wanted, ""
    return limit, "scaling policy"


def _forgotten(
    rules: Rules, recommended: tuple[tuple[float, int], ...], changes: tuple[tuple[float, int], ...], now_s: float
) -> Memory:
    window = max(rules.up.stabilisation_s, rules.down.stabilisation_s)
    period = max((p.period_s for p in (*rules.up.policies, *rules.down.policies)), default=0.0)
    kept = tuple(r for r in recommended if r[0] > now_s - window)
    return Memory(kept, tuple(c for c in changes if c[0] > now_s - period))
