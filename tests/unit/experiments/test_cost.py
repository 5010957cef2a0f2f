from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from workbench import cost as prices
from workbench.errors import WorkbenchError
from workbench.experiments import cost
from workbench.experiments.cost import COLD_SHARE
from workbench.faas.running.billing import RULES
from workbench.records import Measurement, Provenance
from workbench.service import Resources

RESOURCES = Resources(512)


def cold(deployment: str, handler_ms: float = 99.5, warm_ms: float = 100.0, **detail: Any) -> Measurement:
    content = {
        "phases_ms": {"sandbox": [1.0], "runtime_init": [60.0], "function_init": [40.0], "handler": [handler_ms]},
        "warm_handler_ms": [handler_ms] * 10,
        "warm_ms": [warm_ms] * 10,
        "warm_p50_ms": warm_ms,
    }
    how = Provenance("measured", "by hand")
    return Measurement("cold_start", deployment, "process", "ms", (200.0,), how, detail={**content, **detail})


ALL = tuple(cold(name) for name in ("serverless", "container", "vm"))


def test_a_million_requests_cost_what_the_list_prices_say() -> None:
    (found,) = cost(cold("serverless"), resources=RESOURCES, rule=RULES["1ms"])
    # 512 MB x 100 ms: 50,000 GB-s at $0.0000166667 and $0.20 for the requests
    assert found.samples[0] == found.detail["usd_per_million"] == pytest.approx(1.0333, abs=1e-4)
    assert sum(line["usd"] for line in found.detail["lines"]) == pytest.approx(1.0333, abs=1e-4)
    assert found.provenance.kind == "modelled"


def test_init_is_billed_for_the_cold_share_where_the_rule_says_so() -> None:
    (without,) = cost(cold("serverless"), resources=RESOURCES, rule=RULES["1ms"])
    (with_init,) = cost(cold("serverless"), resources=RESOURCES, rule=RULES["1ms-with-init"])
    more = with_init.detail["inputs"]["billed_ms"] - without.detail["inputs"]["billed_ms"]
    assert more == pytest.approx(COLD_SHARE * 100)


def test_break_evens_are_the_same_seen_from_both_sides() -> None:
    found = {m.deployment: m.detail["break_even"] for m in cost(*ALL, resources=RESOURCES)}
    assert [b["against"] for b in found["serverless"]] == ["container", "vm"]
    for hosting, entry in zip(("container", "vm"), found["serverless"], strict=True):
        (back,) = found[hosting]
        assert back["against"] == "serverless"
        assert back["rate_per_h"] == entry["rate_per_h"]


def test_at_the_break_even_both_cost_the_same() -> None:
    fast = [cold(name, handler_ms=9.5, warm_ms=1.0) for name in ("serverless", "vm")]
    (model, _) = cost(*fast, resources=RESOURCES)
    (meeting,) = model.detail["break_even"]
    rate = meeting["rate_per_h"]
    again = {m.deployment: m.samples[0] for m in cost(*fast, resources=RESOURCES, at_rate_per_h=rate)}
    assert again["serverless"] == pytest.approx(again["vm"], rel=1e-6)


def test_reserved_capacity_never_gets_cheaper_with_more_requests_an_hour() -> None:
    for found in cost(*ALL, resources=RESOURCES):
        curve = found.detail["hourly_usd_by_rate"]
        assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(curve))


def test_a_slow_service_needs_more_instances() -> None:
    slow = cost(cold("vm", warm_ms=10_000.0), resources=RESOURCES)[0]
    quick = cost(cold("vm", warm_ms=1.0), resources=RESOURCES)[0]
    assert slow.detail["usd_per_million"] > 10 * quick.detail["usd_per_million"]


def test_every_line_names_its_source_and_status() -> None:
    for found in cost(*ALL, resources=RESOURCES):
        for line in found.detail["lines"]:
            assert line["source"]
            assert line["status"] in ("V", "S")
        assert found.detail["price_book_date"] == prices.PriceBook.load().date


def test_what_no_cloud_sells_is_left_out() -> None:
    assert cost(cold("fake"), resources=RESOURCES) == ()
    (found,) = cost(cold("serverless"), cold("fake"), resources=RESOURCES)
    assert found.detail["break_even"] == []


def test_without_durations_there_is_nothing_to_bill() -> None:
    empty = cold(
        "serverless", phases_ms={"handler": [None], "runtime_init": [], "function_init": []}, warm_handler_ms=[]
    )
    with pytest.raises(WorkbenchError, match="no handler durations"):
        cost(empty, resources=RESOURCES)
