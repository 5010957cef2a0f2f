"""The highest rate at which a deployment keeps its p99 within a goal, found by searching."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.rate_search import Trial, bracket, judge, next_rate
from workbench.load import poisson, run_load
from workbench.load.schedule import MAX_RATE_PER_S
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile

EXPERIMENT = "sustainable_rate"
REQUESTS = 420
"""In each load at least, on average: an interval of the p99 needs 368."""

LEAST_GOAL_MS = 50.0
WARM_SAMPLES = 12
SETTLED_WITHIN_S = 5.0


@dataclass
class _Searched:
    deployment: Deployment
    next_per_s: float
    trials: list[Trial] = field(default_factory=list)
    over: str = ""


def sustainable_rate(
    *deployments: Deployment,
    goal_ms: float | None = None,
    first_per_s: float | None = None,
    most_per_s: float = 2000.0,
    precision: float = 0.1,
    each_s: float = 4.0,
    longest_s: float = 20.0,
    lead_s: float = 1.0,
    most_trials: int = 14,
    payload: Any = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Search each deployment's highest sustainable rate at a p99 goal, as it is scaled now; interleaved (A B C A B C).

    A rate is *sustained* when, of an open-loop Poisson load at that rate, after `lead_s` seconds of warm-up: the 95%
    interval of the p99 (order statistics) is within the goal, a request without a good answer counting as endless; in
    the last quarter no more than rate × goal requests wait (Little's law: more cannot, in a service within its goal,
    so the queue grows); and the generator kept up. It is *missed* when the whole interval, or the queue, is above. What
    is neither, is unclear and stays inside the bracket. After MLPerf Inference's server scenario, whose result is the
    highest Poisson rate with the 99th percentile within its bound (Reddi et al., ISCA 2020; inference rules,
    "Scenarios").

    Each load takes `each_s` seconds, longer where fewer than 420 requests would be sent in it, at most `longest_s`: no
    rate below 420 / `longest_s` is tried, since nothing could be said of its p99. There are at most `most_trials` for
    each deployment: `progress` counts the seconds of that bound, and detail has it as bound_s. The search begins at
    `first_per_s`, by default a quarter of what one request at a time allows, doubles or halves, then bisects until
    the bracket's ends are within 1 + `precision` of one another. `goal_ms` is by default 5
    times the slowest warm median, at least 50 ms. Samples: the rates tried, in their order. Detail: goal_ms, low_per_s
    (highest sustained; None: none was), high_per_s (lowest missed; None: none was), trials (see `Trial`), stopped
    (why the search ended), instances, bound_s. Raises WorkbenchError for bounds that search nothing, what `invoke`
    raises, and Interrupted.
    """
    _check(precision, each_s, longest_s, most_trials, most_per_s)
    tell = progress or silent
    payload = {} if payload is None else payload
    bound_s = len(deployments) * most_trials * (lead_s + longest_s)
    searched: list[_Searched] = []

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(_measurement(one, goal_ms or LEAST_GOAL_MS, bound_s, complete) for one in searched)

    with keeping(lambda: so_far(False)):
        tell("sustainable rate, in seconds at most", 0, round(bound_s))
        warm = [_warm_ms(deployment, payload) for deployment in deployments]
        goal_ms = goal_ms or round(max(5 * max(warm, default=0.0), LEAST_GOAL_MS), 1)
        least = min(most_per_s, REQUESTS / longest_s)
        firsts = [min(most_per_s, max(least, first_per_s or 250.0 / ms)) for ms in warm]
        searched += [_Searched(d, first) for d, first in zip(deployments, firsts, strict=True)]
        spent_s = 0.0
        while any(not one.over for one in searched):
            for one, first in zip(searched, firsts, strict=True):
                if one.over:
                    continue
                spent_s += _one_trial(one, goal_ms, (lead_s, each_s, longest_s), payload, seed + len(one.trials))
                rate = next_rate(one.trials, first, least, most_per_s, precision)
                one.next_per_s = rate or one.next_per_s
                one.over = _over(one, rate, most_trials, most_per_s)
                tell("sustainable rate, in seconds at most", round(spent_s), round(bound_s))
        tell("sustainable rate, in seconds at most", round(bound_s), round(bound_s))
    return so_far(True)


def _check(precision: float, each_s: float, longest_s: float, most_trials: int, most_per_s: float) -> None:
    if not (precision > 0 and 0 < each_s <= longest_s and most_trials >= 1 and 0 < most_per_s <= MAX_RATE_PER_S):
        raise WorkbenchError(
            f"A search with precision {precision:g}, loads of {each_s:g} to {longest_s:g} s, {most_trials} of them and "
            f"up to {most_per_s:g} requests a second finds nothing. Choose a precision above 0, times in order, one "
            f"load or more, and a rate up to {MAX_RATE_PER_S:,.0f}/s."
        )


def _warm_ms(deployment: Deployment, payload: Any) -> float:
    deployment.invoke(payload)
    return percentile([deployment.invoke(payload).latency_ms for _ in range(WARM_SAMPLES)], 50)


def _one_trial(one: _Searched, goal_ms: float, times_s: tuple[float, float, float], payload: Any, seed: int) -> float:
    """Send one load and judge it; returns the seconds it was planned to take."""
    rate = one.next_per_s
    lead_s, each_s, longest_s = times_s
    duration_s = lead_s + min(longest_s, max(each_s, REQUESTS / rate))
    timeout_s = float(one.deployment.service.resources.timeout_s)
    _settle(one.deployment, payload, goal_ms)
    result = run_load(one.deployment.targets(payload), poisson(rate, duration_s, seed), timeout_s=timeout_s)
    one.trials.append(judge(result, rate, goal_ms, lead_s, duration_s))
    return duration_s


def _settle(deployment: Deployment, payload: Any, goal_ms: float) -> None:
    """What the load before has left in the queue is worked off before the next begins, or five seconds are over."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while deployment.invoke(payload).latency_ms > goal_ms and time.monotonic() < deadline:
        pass


def _over(one: _Searched, rate: float | None, most_trials: int, most_per_s: float) -> str:
    if rate is None:
        low, high = bracket(one.trials)
        if low is None:
            return "not even the lowest rate tried was sustained"
        if low >= most_per_s:
            return "the highest rate allowed was sustained"
        return "as precise as asked" if high is not None else "no load above it gave a clear answer"
    return f"{most_trials} loads were allowed" if len(one.trials) >= most_trials else ""


def _measurement(one: _Searched, goal_ms: float, bound_s: float, complete: bool) -> Measurement:
    low, high = bracket(one.trials)
    detail = {
        "goal_ms": goal_ms,
        "low_per_s": low,
        "high_per_s": high,
        "trials": [asdict(trial) for trial in one.trials],
        "stopped": one.over or "interrupted",
        "instances": len(one.deployment.instances()),
        "bound_s": bound_s,
    }
    how = (
        f"{len(one.trials)} open-loop Poisson loads of {sum(t.requests for t in one.trials)} requests in all, doubling "
        f"then bisecting; sustained: the 95% interval of the p99 within {goal_ms:g} ms and no growing queue; "
        "deployments interleaved"
    )
    return Measurement(
        EXPERIMENT,
        one.deployment.pattern,
        one.deployment.sandbox,
        "requests/s",
        tuple(t.rate_per_s for t in one.trials),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )


def brackets(measured: Sequence[Measurement]) -> dict[str, tuple[float | None, float | None]]:
    """The bracket of each measurement by its deployment: highest rate sustained, lowest missed (requests a second)."""
    return {
        m.deployment: (m.detail["low_per_s"], m.detail["high_per_s"]) for m in measured if m.experiment == EXPERIMENT
    }
