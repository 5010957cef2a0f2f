"""What a lab says of scaling: who met the goal first, what an autoscaler saw, what more at a time gains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from workbench.deployment import Deployment
from workbench.findings import Measured
from workbench.labs.panel import Panel, duration, say, table
from workbench.records import Measurement
from workbench.service import Service

GAINS = ("less than 1.5 times", "1.5 to 5 times", "more than 5 times")
ABOVE = ("up to 2 times", "2 to 5 times", "more than 5 times")
NEVER = "none of them"


def first_to_goal(measured: Sequence[Measurement]) -> str:
    """Which of them met the latency goal first and for good; NEVER where none did."""
    met = {m.deployment: m.detail["time_to_goal_s"] for m in measured if m.detail["time_to_goal_s"] is not None}
    return min(met, key=lambda name: met[name]) if met else NEVER


def second_ready_ms(measured: Measurement) -> float | None:
    """Milliseconds from the load's start until a second instance was ready; None when none ever was."""
    return next((1000 * at for at, number in measured.detail["instances"] if number >= 2), None)


def all_counted(measured: Sequence[Measurement]) -> bool:
    """Whether every request that was planned is accounted for, in each of them."""
    return all(sum(m.detail["counts"].values()) == len(m.detail["planned_s"]) for m in measured)


def looks(history: Sequence[Any], first: int = 12) -> Panel:
    """The first looks of an autoscaler: what it saw, and what it asked for; seconds count from the first."""
    start = history[0].at_s if history else 0.0
    rows = [
        [
            f"{look.at_s - start:.1f}\u00a0s",
            "-" if look.metric is None else f"{look.metric:.2f}",
            str(look.current),
            str(look.number),
            look.reason,
        ]
        for look in history[:first]
    ]
    html, text = table(["at", "metric", "instances", "asked for", "because of"], rows)
    return Panel("What the autoscaler saw, and did", html, text)


@contextlib.contextmanager
def at_levels(service: Service, pattern: str, *levels: int) -> Iterator[dict[int, Deployment]]:
    """The service deployed once for each number of requests that an instance handles at a time."""
    from workbench.deployments import deploy

    with contextlib.ExitStack() as stack:
        yield {level: stack.enter_context(deploy(service, pattern, concurrency=level)) for level in levels}


def gain(measured: Sequence[Measurement], handler: str) -> str | None:
    """How many times more this handler answers a second at the highest level than at the lowest, as one of GAINS."""
    found = {m.detail["level"]: m.detail["per_s"] for m in measured if m.detail["handler"] == handler}
    if len(found) < 2 or not all(found.values()):
        return None
    times = median(found[max(found)]) / median(found[min(found)])
    return GAINS[0] if times < 1.5 else GAINS[1] if times <= 5 else GAINS[2]


def left(measured: Sequence[Measurement]) -> Panel:
    """What `to_zero` found, a row for each deployment."""
    rows = []
    for m in measured:
        zero_s, back_s = m.detail["zero_after_s"], m.detail["back_s"]
        rows.append(
            [
                m.deployment,
                "it stayed" if zero_s is None else f"gone after {zero_s:.1f}\u00a0s ({m.detail['why']})",
                f"{'cold' if m.detail['cold'] else 'warm'}, {duration(m.samples[1])}",
                m.detail["at_zero"].partition(".")[0] or "-",
                "-" if back_s is None else duration(1000 * back_s),
            ]
        )
    columns = ["", "its last instance", "the next call", "scaled to zero by hand, a call meets", "back by hand in"]
    html, text = table(columns, rows)
    return Panel("Nobody called", html, text)


def still_there(measured: Sequence[Measurement]) -> str:
    """The deployments that had an instance left, in their order; "neither" where none had."""
    return ", ".join(m.deployment for m in measured if m.detail["kept"]) or "neither"


def elastic(measured: Sequence[Measurement]) -> Panel:
    """SPEC RG's four metrics of each, in percent: too few instances and too many, as a share of demand and of time."""
    rows = [
        [
            m.deployment,
            *(
                f"{value:.0f}\u00a0%"
                for value in (s.under_accuracy, s.under_timeshare, s.over_accuracy, s.over_timeshare)
            ),
        ]
        for m, s in ((m, _score(m)) for m in measured)
    ]
    columns = ["", "too few, of demand", "too few, of the time", "too many, of demand", "too many, of the time"]
    html, text = table(columns, rows)
    return Panel("Elasticity: 0 % everywhere would be perfect", html, text)


def most(measured: Sequence[Measurement], which: str) -> str:
    """Whose metric `which` of `experiments.Elasticity` is the largest."""
    found: Mapping[str, float] = {m.deployment: getattr(_score(m), which) for m in measured}
    return max(found, key=lambda name: found[name])


def above_goal(measured: Measurement) -> str | None:
    """How far above the goal the p99 of the lowest rate missed is, as one of ABOVE; None when none was missed."""
    missed = [t for t in measured.detail["trials"] if t["verdict"] == "missed"]
    if not missed:
        return None
    p99_ms = min(missed, key=lambda t: float(t["rate_per_s"]))["p99_ms"]
    times = float("inf") if p99_ms is None else p99_ms / measured.detail["goal_ms"]
    return ABOVE[0] if times <= 2 else ABOVE[1] if times <= 5 else ABOVE[2]


def sustained(measured: Measured) -> Panel:
    """What the searches say, a sentence a deployment; nothing inside overlapping brackets is called a difference."""
    from workbench import findings

    return say("What the search found", *findings.sustainable_rate(measured).reading)


def _score(m: Measurement) -> Any:
    from workbench.experiments import demand, elasticity

    until_s = m.detail["instances"][-1][0]
    needed = demand(m.detail["planned_s"], m.detail["warm_ms"] / 1000, until_s, every_s=0.5)
    return elasticity(needed, m.detail["instances"], until_s)
