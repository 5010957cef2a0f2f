"""What a serverless platform charges: per request, and per GB-second of billed duration. Nothing while it waits.

How long an invocation is billed for (steps, init) is a rule of the platform; here its result is turned into money.
"""

from __future__ import annotations

import math

from workbench.cost.lines import Cost, Line, line
from workbench.cost.prices import PriceBook
from workbench.errors import WorkbenchError

HOURS_A_MONTH = 730.0
"""Hours in an average month, as cloud providers count (365 × 24 / 12)."""

MILLION = 1_000_000.0

PROVISIONED_STEP_S = 300
"""Seconds that provisioned concurrency is charged in steps of (AWS Lambda pricing)."""


def serverless_usd(
    billed_ms: float,
    memory_mb: int,
    requests: float = MILLION,
    *,
    architecture: str = "x86",
    free_tier: bool = False,
    http_front: bool = False,
    book: PriceBook | None = None,
) -> Cost:
    """Cost of `requests` invocations in one month, billed `billed_ms` each on average, with `memory_mb` (2**20 bytes).

    `free_tier` takes off what a month costs nothing for; `http_front` adds an API Gateway HTTP API. Lambda's prices for
    `architecture` "x86" or "arm"; a GB is 1,024 MB. Raises WorkbenchError on what cannot be billed.
    """
    _check(billed_ms, memory_mb, requests)
    prices = book or PriceBook.load()
    gb_s = requests * billed_ms / 1000 * memory_mb / 1024
    paid_requests, paid_gb_s = requests, gb_s
    made_of = f"{requests:,.10g} × {billed_ms:,.6g} ms × {memory_mb:,} MB"
    fee_of = f"{requests:,.10g} requests"
    if free_tier:
        free_requests, free_gb_s = prices.free_tier["lambda.request"], prices.free_tier["lambda.gb_s"]
        paid_requests, paid_gb_s = max(0.0, requests - free_requests.amount), max(0.0, gb_s - free_gb_s.amount)
        fee_of = f"({fee_of} − {free_requests.amount:,.0f} free, not below 0)"
        made_of = f"({made_of} − {free_gb_s.amount:,.0f} GB-s free, not below 0)"
    lines = [
        line("requests", paid_requests, fee_of, prices.price("lambda.request"), MILLION),
        line("compute", paid_gb_s, made_of, prices.price(f"lambda.{_known(architecture)}.gb_s")),
    ]
    if http_front:
        lines.append(_http_api(requests, prices))
    return Cost(f"{requests:,.10g} requests", tuple(lines))


def provisioned_usd(
    instances: int,
    memory_mb: int,
    hours: float = HOURS_A_MONTH,
    *,
    requests: float = 0.0,
    billed_ms: float = 0.0,
    book: PriceBook | None = None,
) -> Cost:
    """Cost of `instances` kept ready for `hours` (provisioned concurrency), and of `requests` that they answer.

    The time is rounded up to 5 minutes; it is charged whether anybody calls or not, and a request's own time is cheaper
    in return (AWS Lambda pricing, "Provisioned Concurrency"; there is no free tier). Raises WorkbenchError on what
    cannot be billed.
    """
    _check(billed_ms, memory_mb, requests)
    if not math.isfinite(hours) or hours < 0 or instances < 0:
        raise WorkbenchError(f"{instances} instances for {hours:g} h cannot be billed; both must be 0 or more.")
    prices, gb = book or PriceBook.load(), memory_mb / 1024
    # Less a hair: 5 minutes exactly are one step, whatever the quotient's last bit.
    ready_s = math.ceil(hours * 3600 / PROVISIONED_STEP_S - 1e-9) * PROVISIONED_STEP_S
    ready_of = f"{instances} instances × {memory_mb:,} MB × {ready_s / 3600:,.6g} h"
    lines = [
        line("kept ready", instances * gb * ready_s, ready_of, prices.price("lambda.provisioned.idle_gb_s")),
        line("requests", requests, f"{requests:,.10g} requests", prices.price("lambda.request"), MILLION),
        line(
            "compute",
            requests * billed_ms / 1000 * gb,
            f"{requests:,.10g} × {billed_ms:,.6g} ms × {memory_mb:,} MB",
            prices.price("lambda.provisioned.used_gb_s"),
        ),
    ]
    return Cost(f"{instances} instances kept ready for {hours:,.6g} h", tuple(lines))


def serverless_usd_per_hour(
    rate_per_h: float,
    billed_ms: float,
    memory_mb: int,
    *,
    architecture: str = "x86",
    free_tier: bool = False,
    http_front: bool = False,
    book: PriceBook | None = None,
) -> float:
    """US dollars an hour at a steady `rate_per_h` requests an hour, a month's bill spread over its 730 hours."""
    month = serverless_usd(
        billed_ms,
        memory_mb,
        rate_per_h * HOURS_A_MONTH,
        architecture=architecture,
        free_tier=free_tier,
        http_front=http_front,
        book=book,
    )
    return month.usd / HOURS_A_MONTH


def _http_api(requests: float, prices: PriceBook) -> Line:
    # One line for both tiers: the second starts at 300 million a month.
    first, then = prices.price("apigateway.http.request"), prices.price("apigateway.http.request_over_300m")
    bound = 300 * MILLION
    if requests <= bound:
        return line("HTTP API", requests, f"{requests:,.10g} requests", first, MILLION)
    usd = bound / MILLION * first.usd + (requests - bound) / MILLION * then.usd
    formula = f"300 million × ${first.usd:g} + {requests - bound:,.10g} × ${then.usd:g} per {first.unit}"
    return Line("HTTP API", usd, formula, f"{first.source}, {first.region}, entered {first.date}", first.status)


def _known(architecture: str) -> str:
    if architecture not in ("x86", "arm"):
        raise WorkbenchError(f"There is no price for the architecture {architecture!r}. Choose x86 or arm.")
    return architecture


def _check(billed_ms: float, memory_mb: float, requests: float) -> None:
    for what, value in (("billed duration", billed_ms), ("memory", memory_mb), ("number of requests", requests)):
        if not math.isfinite(value) or value < 0:
            raise WorkbenchError(f"A {what} of {value:g} cannot be billed; it must be 0 or more.")
