"""At which request rate reserved capacity becomes cheaper than paying per request.

Serverless costs c per request, an instance H per hour whatever it serves, so n instances pay off from n·H/c requests an
hour. That takes instances able to serve them: where one serves at most m an hour and H/c > m, no number of instances
ever pays off, since each more brings its cost and its capacity alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.cost.billing import MILLION, serverless_usd
from workbench.cost.hosting import Hosting, container, vm
from workbench.cost.prices import PriceBook
from workbench.errors import WorkbenchError
from workbench.service import Resources
from workbench.statistics import Estimate


@dataclass(frozen=True)
class BreakEven:
    """The rate, in requests an hour, from which `against` costs no more than serverless; None: it never does.

    `low` and `high` carry the interval of the billed duration over; a None end means "never" there. Above
    `settled_per_h` it stays cheaper at every rate; between the two, a just added instance can make it dearer again.
    """

    against: str
    rate_per_h: float | None
    low: float | None
    high: float | None
    settled_per_h: float | None
    formula: str

    def to_json(self) -> dict[str, Any]:
        """As a measurement's detail keeps it."""
        return {
            "against": self.against,
            "rate_per_h": self.rate_per_h,
            "low": self.low,
            "high": self.high,
            "settled_per_h": self.settled_per_h,
            "formula": self.formula,
        }


def break_even(
    resources: Resources,
    billed_ms: float | Estimate,
    against: str | Hosting = "vm",
    *,
    max_rate_per_s: float | None = None,
    minimum: int = 1,
    architecture: str = "x86",
    http_front: bool = False,
    book: PriceBook | None = None,
) -> BreakEven:
    """Break-even between serverless at `resources` and `against` ("container", "vm", or a Hosting), free tier left out.

    `billed_ms` with an interval gives the rate one. `max_rate_per_s` is what one instance was measured to serve (None:
    no bound), `minimum` how many run at the least. Raises WorkbenchError on an unknown `against` or no billed time.
    """
    prices = book or PriceBook.load()
    hosting = _hosting(resources, against, architecture, prices)
    billed = billed_ms if isinstance(billed_ms, Estimate) else Estimate(billed_ms, billed_ms, billed_ms)
    if minimum < 1:
        raise WorkbenchError("A break-even needs at least one instance to compare with.")

    def per_request(ms: float) -> float:
        cost = serverless_usd(
            ms, resources.memory_mb, MILLION, architecture=architecture, http_front=http_front, book=prices
        )
        return cost.usd / MILLION

    def rate(ms: float) -> float | None:
        return _first_rate(hosting.usd_per_hour, per_request(ms), max_rate_per_s, minimum)

    request_usd = per_request(billed.value)
    formula = f"{minimum} × ${hosting.usd_per_hour:.6g}/h ÷ ${request_usd:.6g} per request"
    settled = _settled_rate(hosting.usd_per_hour, request_usd, max_rate_per_s, minimum)
    # A longer invocation costs more, so it breaks even at a lower rate.
    return BreakEven(hosting.kind, rate(billed.value), rate(billed.high), rate(billed.low), settled, formula)


def _hosting(resources: Resources, against: str | Hosting, architecture: str, book: PriceBook) -> Hosting:
    if isinstance(against, Hosting):
        return against
    if against == "container":
        return container(resources, architecture=architecture, book=book)
    if against == "vm":
        return vm(resources, architecture=architecture, book=book)
    raise WorkbenchError(f"There is no break-even against {against!r}. Choose container or vm.")


def _first_rate(hourly: float, request: float, max_rate_per_s: float | None, minimum: int) -> float | None:
    each = hourly / request
    if max_rate_per_s is not None and each > max_rate_per_s * 3600:
        return None
    return minimum * each


def _settled_rate(hourly: float, request: float, max_rate_per_s: float | None, minimum: int) -> float | None:
    """The lowest rate above which every step to one more instance happens where it is already paid for."""
    first = _first_rate(hourly, request, max_rate_per_s, minimum)
    if first is None or max_rate_per_s is None:
        return first
    # From n instances to n + 1 at n·m requests an hour: dearer just there unless (n + 1)·H <= c·n·m.
    gain = request * max_rate_per_s * 3600 - hourly
    if gain <= 0:
        return None
    steps = hourly / gain
    paid = max(minimum, int(steps) if steps == int(steps) else int(steps) + 1)
    return max(first, paid * hourly / request)
