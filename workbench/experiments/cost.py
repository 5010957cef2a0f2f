"""What the service would cost in a cloud, by deployment and request rate: modelled from its measured durations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench import cost as prices
from workbench.errors import WorkbenchError
from workbench.experiments.progress import Progress, silent
from workbench.faas.running.billing import TODAY, BillingRule
from workbench.records import Measurement, Provenance
from workbench.service import Resources
from workbench.statistics import Estimate, bootstrap_ratio

COLD_SHARE = 0.01
"""Share of invocations assumed to be cold: AWS says fewer than 1 in 100 are (second-hand)."""

BUSY_SHARE = 0.7
"""How much of its time one instance is planned to be busy: an assumption of ours, room for uneven traffic."""

RATES_PER_H = tuple(round(10 ** (step / 5), 3) for step in range(31))
"""1 to 1,000,000 requests an hour, five to a decade."""


@dataclass(frozen=True)
class _Inputs:
    """What the model is fed with, all from measurements or stated assumptions."""

    resources: Resources
    billed_ms: Estimate
    max_rate_per_s: float
    rule: BillingRule
    book: prices.PriceBook
    rate_per_h: float


def cost(
    *cold_starts: Measurement,
    resources: Resources,
    at_rate_per_h: float = 3600.0,
    rule: BillingRule = TODAY,
    book: prices.PriceBook | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Model each deployment's cost in US dollars from its `cold_start` measurement, at a steady rate an hour.

    Serverless: each invocation billed by `rule` for the handler's measured time, one in a hundred for its init too.
    Container and VM: the cheapest listed size that holds `resources`, as many as the rate needs, used or not. No HTTP
    front, load balancer, storage, traffic or free tier. Detail: price_book_date, rule, inputs (with the assumptions),
    usd_per_million at at_rate_per_h, hourly_usd_by_rate, break_even with the interval the billed duration carries
    over, lines, run (what the measured invocations themselves would have cost). Deployments that no cloud sells
    (`fake`) are left out. Raises WorkbenchError for a measurement without durations.
    """
    tell = progress or silent
    tell("cost", 0, 1)
    shelf = book or prices.PriceBook.load()
    serverless = next((m for m in cold_starts if m.deployment == "serverless"), None)
    found = []
    for measured in cold_starts:
        if measured.deployment not in ("serverless", "container", "vm"):
            continue
        # A break-even compares what the invocation would be billed on serverless, where that was measured.
        billed = _billed(serverless or measured, rule)
        inputs = _Inputs(resources, billed, _max_rate(measured), rule, shelf, at_rate_per_h)
        found.append(_modelled(measured, inputs, cold_starts))
    tell("cost", 1, 1)
    return tuple(found)


def _billed(measured: Measurement, rule: BillingRule) -> Estimate:
    """Milliseconds billed for an invocation on average, with a bootstrap interval of the mean."""
    warm = _numbers(measured.detail.get("warm_handler_ms")) or _numbers(measured.detail["phases_ms"]["handler"])
    if not warm:
        raise WorkbenchError(
            f"The cold start measurement of {measured.deployment} holds no handler durations to bill. Measure it again."
        )
    # A ratio to the constant 1 is the mean itself.
    mean = bootstrap_ratio([float(rule.billed_ms(ms)) for ms in warm], [1.0], "mean")
    init = COLD_SHARE * _init_ms(measured) if rule.init else 0.0
    return Estimate(mean.value + init, mean.low + init, mean.high + init, mean.confidence)


def _init_ms(measured: Measurement) -> float:
    """The mean init of a cold start: the two phases that AWS calls Init."""
    phases = measured.detail["phases_ms"]
    inits = [
        runtime + function
        for runtime, function in zip(phases["runtime_init"], phases["function_init"], strict=True)
        if runtime is not None and function is not None
    ]
    return math.fsum(inits) / len(inits) if inits else 0.0


def _max_rate(measured: Measurement) -> float:
    """Requests a second planned for one instance: answers one after another, as fast as they were measured warm."""
    warm_ms = measured.detail.get("warm_p50_ms")
    if not warm_ms:
        raise WorkbenchError(
            f"The cold start measurement of {measured.deployment} holds no warm latency. Measure it with "
            "warm_per_sample of 1 or more."
        )
    return float(BUSY_SHARE * 1000 / warm_ms)


def _hourly(deployment: str, rate_per_h: float, inputs: _Inputs) -> float:
    """US dollars an hour at a steady rate."""
    if deployment == "serverless":
        return prices.serverless_usd_per_hour(
            rate_per_h, inputs.billed_ms.value, inputs.resources.memory_mb, book=inputs.book
        )
    replicas = prices.replicas_needed(rate_per_h, inputs.max_rate_per_s)
    return _hosting(deployment, inputs).usd_per_hour * replicas


def _hosting(deployment: str, inputs: _Inputs) -> prices.Hosting:
    rent = prices.container if deployment == "container" else prices.vm
    return rent(inputs.resources, book=inputs.book)


def _modelled(measured: Measurement, inputs: _Inputs, others: Sequence[Measurement]) -> Measurement:
    name = measured.deployment
    usd_per_million = _hourly(name, inputs.rate_per_h, inputs) / inputs.rate_per_h * prices.MILLION
    detail: dict[str, Any] = {
        "price_book_date": inputs.book.date,
        "rule": f"{inputs.rule.name} ({inputs.rule.source})",
        "inputs": _stated(name, measured, inputs),
        "usd_per_million": usd_per_million,
        "at_rate_per_h": inputs.rate_per_h,
        "hourly_usd_by_rate": [[rate, _hourly(name, rate, inputs)] for rate in RATES_PER_H],
        "break_even": _break_evens(name, inputs, others),
        "lines": _lines(name, inputs),
        "run": _run(name, measured, inputs),
    }
    how = "list prices applied to the measured durations; no HTTP front, load balancer, storage, traffic or free tier"
    provenance = Provenance("modelled", how, f"price book of {inputs.book.date}", inputs.book.date)
    return Measurement("cost", name, measured.sandbox, "usd", (usd_per_million,), provenance, detail=detail)


def _stated(name: str, measured: Measurement, inputs: _Inputs) -> dict[str, Any]:
    common: dict[str, Any] = {"memory_mb": inputs.resources.memory_mb, "vcpus": round(inputs.resources.vcpus, 3)}
    if name == "serverless":
        return common | {
            "billed_ms": inputs.billed_ms.value,
            "billed_ms_ci95": [inputs.billed_ms.low, inputs.billed_ms.high],
            "cold_share": COLD_SHARE,
            "init_ms": _init_ms(measured),
        }
    hosting = _hosting(name, inputs)
    return common | {
        "size": hosting.size.name,
        "usd_per_hour_each": hosting.usd_per_hour,
        "max_rate_per_s_each": inputs.max_rate_per_s,
        "busy_share": BUSY_SHARE,
    }


def _break_evens(name: str, inputs: _Inputs, measured: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Serverless against each hosting measured, and each hosting against serverless: the same rates, both ways."""
    found = []
    for other in measured:
        pair = {name, other.deployment}
        if "serverless" not in pair or len(pair) != 2 or "fake" in pair:
            continue
        hosting = next(iter(pair - {"serverless"}))
        host = next(m for m in measured if m.deployment == hosting)
        meeting = prices.break_even(
            inputs.resources, inputs.billed_ms, hosting, max_rate_per_s=_max_rate(host), book=inputs.book
        )
        found.append({**meeting.to_json(), "against": other.deployment})
    return found


def _lines(name: str, inputs: _Inputs) -> list[dict[str, Any]]:
    if name == "serverless":
        bill = prices.serverless_usd(inputs.billed_ms.value, inputs.resources.memory_mb, book=inputs.book)
    else:
        bill = _hosting(name, inputs).usd(1.0, prices.replicas_needed(inputs.rate_per_h, inputs.max_rate_per_s))
    return bill.to_json()


def _run(name: str, measured: Measurement, inputs: _Inputs) -> dict[str, Any]:
    """What the invocations behind these numbers would have cost themselves."""
    warm = _numbers(measured.detail.get("warm_handler_ms"))
    cold = _numbers(measured.detail["phases_ms"]["handler"])
    requests = len(warm) + len(cold)
    if name != "serverless":
        bill = _hosting(name, inputs).usd(_hours(measured))
        return {"requests": requests, "usd": bill.usd, "basis": bill.basis}
    init = _init_ms(measured)
    billed = [inputs.rule.billed_ms(ms, init) for ms in cold] + [inputs.rule.billed_ms(ms) for ms in warm]
    usd = prices.serverless_usd(math.fsum(billed) / max(1, len(billed)), inputs.resources.memory_mb, requests).usd
    return {"requests": requests, "usd": usd, "basis": f"{sum(billed):,} ms billed for {requests} requests"}


def _hours(measured: Measurement) -> float:
    """Hours that the measured invocations took, one after another (a provider bills its minimum at least)."""
    return math.fsum([*measured.warmups, *measured.samples, *_numbers(measured.detail.get("warm_ms"))]) / 3_600_000


def _numbers(values: Any) -> list[float]:
    return [float(v) for v in values or () if v is not None]
