"""The share of requests that wait for a cold start, by how often anybody calls."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench import load
from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.shares import share_interval
from workbench.records import Measurement, Provenance

LONGEST_S = 240.0
"""A load is signed once, and a signature is good for five minutes."""

MOST_AT_ONCE = 8
"""So many rates are measured at the same time: each takes a function and a load generator."""

Expiry = float | tuple[float, float] | None

MODEL = "share = exp(-rate * idle expiry): Poisson arrivals, one instance, a service time short against the expiry"


def modelled_share(rate_per_s: float, expiry_s: float) -> float:
    """The share of cold requests for Poisson arrivals at a platform with a fixed idle expiry, while one instance does.

    A request is cold when nobody called for longer than the expiry. The gaps of a Poisson process are exponential:
    P(gap > t) = exp(-rate * t) (S. M. Ross, Introduction to Probability Models, section 5.3). The rule "cold when the
    gap exceeds a fixed keep-alive" is that of M. Shahrad et al., Serverless in the Wild, USENIX ATC 2020. Requests that
    overlap need a second instance and make the true share larger; the model has none.
    """
    return math.exp(-rate_per_s * expiry_s)


@dataclass(frozen=True)
class _Load:
    rate: float
    schedule: load.Schedule
    load: load.Load


def cold_share(
    deployment: Deployment,
    rates: Sequence[float],
    *,
    requests: int = 40,
    expiry_s: Expiry = None,
    payload: Any = None,
    seed: int = 1,
    progress: Progress | None = None,
) -> Measurement:
    """Count cold requests at each of `rates` (a second), open loop, Poisson, about `requests` of them at each.

    Each rate has a function of its own (the deployment's service, deployed beside it); all run at the same time, for as
    long as the lowest needs: max(requests / rate) seconds, at most LONGEST_S. A request is cold when its answer says so
    and no other request claims that instance's start; the first of each rate, which nothing came before, is left out.
    With `expiry_s`, configured or a bracket (low, high) found by `keep_alive`, the modelled share stands beside the
    measured one. Raises DeploymentError on rates that cannot be done, what the load raises, and Interrupted.
    Samples: the share at each rate. Detail: expiry_s, model, rates: a list of rate_per_s, of, cold, share, ci95
    (Clopper-Pearson), unconfirmed, counts, kept_up, and modelled_share [low, high] and drawn_share (of the gaps that
    were drawn here, those longer than the expiry), None without an expiry.
    """
    _check(rates, requests)
    sent: list[tuple[float, load.Schedule, load.LoadResult]] = []
    with keeping(lambda: (_measurement(deployment, _rows(sent, expiry_s), expiry_s, False),)):
        _send(deployment, rates, requests, {} if payload is None else payload, seed, progress or silent, sent)
    return _measurement(deployment, _rows(sent, expiry_s), expiry_s, True)


def _check(rates: Sequence[float], requests: int) -> None:
    if not 1 <= len(rates) <= MOST_AT_ONCE or len(set(rates)) < len(rates) or min(rates) <= 0 or requests < 10:
        raise DeploymentError(
            f"Choose 1 to {MOST_AT_ONCE} different rates above 0, and 10 requests or more at each "
            f"(here: {list(rates)}, {requests})."
        )
    if requests / min(rates) > LONGEST_S:
        raise DeploymentError(
            f"{requests} requests at {min(rates):g} a second take {requests / min(rates):.0f} s; at most {LONGEST_S:g} "
            "s are possible in one load. Lower the number of requests, or raise the lowest rate."
        )


def _send(
    deployment: Deployment,
    rates: Sequence[float],
    requests: int,
    payload: Any,
    seed: int,
    tell: Progress,
    sent: list[tuple[float, load.Schedule, load.LoadResult]],
) -> None:
    """Load every rate at once; what has come back by the end, or by an interrupt, is in `sent`."""
    longest = max(requests / rate for rate in rates)
    timeout_s = float(deployment.service.resources.timeout_s)

    def told(progress: load.Progress) -> None:
        tell("share of cold requests", int(min(progress.t_s, longest)), math.ceil(longest))

    with contextlib.ExitStack() as stack:
        beside = [stack.enter_context(deployment.beside(deployment.service)) for _ in rates]
        loads: list[_Load] = []
        try:
            for place, (rate, function) in enumerate(zip(rates, beside, strict=True)):
                schedule = load.poisson(rate, requests / rate, seed + place)
                started = load.start_load(
                    function.targets(payload),
                    schedule,
                    timeout_s=timeout_s,
                    progress=told if rate == min(rates) else None,
                )
                loads.append(_Load(rate, schedule, stack.enter_context(started)))
            sent += [(one.rate, one.schedule, one.load.result()) for one in loads]
        except KeyboardInterrupt:
            for one in loads:
                with contextlib.suppress(WorkbenchError):  # a Ctrl-C may have ended a generator before we could
                    sent.append((one.rate, one.schedule, one.load.cancel()))
            raise
    tell("share of cold requests", math.ceil(longest), math.ceil(longest))


def _rows(sent: Sequence[tuple[float, load.Schedule, load.LoadResult]], expiry_s: Expiry) -> list[dict[str, Any]]:
    return [_row(rate, schedule, result, expiry_s) for rate, schedule, result in sent if len(result.status) > 1]


def _row(rate: float, schedule: load.Schedule, result: load.LoadResult, expiry_s: Expiry) -> dict[str, Any]:
    outcomes = _confirmed(result)
    cold, of = sum(one is True for one in outcomes), sum(one is not None for one in outcomes)
    return {
        "rate_per_s": rate,
        "of": of,
        "cold": cold,
        "share": cold / of if of else None,
        "ci95": list(share_interval(cold, of)) if of else None,
        "unconfirmed": len(outcomes) - of,
        "counts": dict(result.counts),
        "kept_up": result.kept_up,
        **_expected(rate, schedule, expiry_s),
    }


def _expected(rate: float, schedule: load.Schedule, expiry_s: Expiry) -> dict[str, Any]:
    if expiry_s is None:
        return {"modelled_share": None, "drawn_share": None}
    low, high = expiry_s if isinstance(expiry_s, tuple) else (expiry_s, expiry_s)
    gaps = [later - earlier for earlier, later in pairwise(schedule.planned_s)]
    return {
        "modelled_share": [modelled_share(rate, high), modelled_share(rate, low)],
        "drawn_share": sum(gap > (low + high) / 2 for gap in gaps) / len(gaps) if gaps else None,
    }


def _confirmed(result: load.LoadResult) -> list[bool | None]:
    """Of each request but the first: cold, warm, or None where it had no good answer or its answer contradicts itself.

    Answers come in another order than requests leave, so an instance is new to the one request that says so.
    """
    said = Counter(name for name, cold in zip(result.instances, result.cold, strict=True) if cold)
    outcomes: list[bool | None] = []
    for name, cold, status in zip(result.instances, result.cold, result.status, strict=True):
        if status != "ok" or not name or (cold and said[name] > 1):
            outcomes.append(None)
        else:
            outcomes.append(cold)
    return outcomes[1:]


def _measurement(deployment: Deployment, rows: list[dict[str, Any]], expiry_s: Expiry, complete: bool) -> Measurement:
    how = (
        f"{sum(row['of'] for row in rows)} requests, open loop, Poisson, at {len(rows)} rates at the same time, each "
        "to a function of its own; cold where the answer said so and no other request had that instance's cold start"
    )
    return Measurement(
        "cold_share",
        deployment.pattern,
        deployment.sandbox,
        "share",
        tuple(row["share"] for row in rows if row["share"] is not None),
        Provenance("measured", how),
        detail={"expiry_s": expiry_s, "model": MODEL if expiry_s is not None else None, "rates": rows},
        complete=complete,
    )
