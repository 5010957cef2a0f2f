"""The samples answer what their docstrings say."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from workbench.errors import PackageError
from workbench.samples import HANDLERS, PAYLOADS, SAMPLES, sample


def load(name: str) -> ModuleType:
    path = sample(name).source / "app.py"
    spec = importlib.util.spec_from_file_location(f"sample_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module


def http(method: str, path: str, body: str = "") -> dict[str, Any]:
    return {"version": "2.0", "rawPath": path, "requestContext": {"http": {"method": method}}, "body": body}


@pytest.mark.parametrize(("quantity", "total"), [(3, "8.64"), (10, "27.36"), (100, "244.80")])
def test_price_with_discount_and_tax(quantity: int, total: str) -> None:
    assert load("pricing").handler({"sku": "A1", "quantity": quantity}, None)["total"] == total


def test_the_counter_counts_this_instance_alone() -> None:
    one, other = load("pricing"), load("pricing")
    for _ in range(3):
        counted = one.handler({"sku": "A1"}, None)["instance_calls"]
    assert (counted, other.handler({"sku": "A1"}, None)["instance_calls"]) == (3, 1)


def test_http_routes() -> None:
    pricing = load("pricing")
    assert pricing.handler(http("GET", "/catalogue"), None)["statusCode"] == 200
    priced = pricing.handler(http("POST", "/price", json.dumps({"sku": "B1", "quantity": 1})), None)
    assert json.loads(priced["body"])["total"] == "46.80"
    assert pricing.handler(http("POST", "/price", "no json"), None)["statusCode"] == 400
    assert pricing.handler(http("POST", "/price", "[]"), None)["statusCode"] == 400
    assert pricing.handler(http("GET", "/other"), None)["statusCode"] == 404


@pytest.mark.parametrize("order", [{"sku": "none"}, {"quantity": 0}, {"quantity": "3"}, {"quantity": True}])
def test_a_wrong_order_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sku|quantity"):
        load("pricing").handler(order, None)


def forecast(years: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("FORECAST_YEARS", years)
    return load("forecast")


def test_the_forecast_finds_what_the_sales_were_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = forecast("2", monkeypatch)
    assert fitted.FITTED_HOURS == 2 * 8760
    assert pytest.approx(1 / 500, rel=0.02) == fitted.GROWTH
    at = {(d, h): fitted.handler({"weekday": d, "hour": h}, None)["sales"] for d in (0, 6) for h in (3, 12)}
    assert at[0, 12] - at[0, 3] == pytest.approx(30, abs=3)  # by day
    assert at[6, 12] - at[0, 12] == pytest.approx(45, abs=3)  # at the weekend
    assert fitted.handler({}, None)["sales"] == pytest.approx(200 + 30 + 45 + 2 * 8760 / 500, abs=4)


def test_the_identity_is_of_the_instance_and_what_is_drawn_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = forecast("1", monkeypatch), forecast("1", monkeypatch)
    answers = [one.handler({}, None), one.handler({}, None), other.handler({}, None)]
    assert [a["identity"] == answers[0]["identity"] for a in answers] == [True, True, False]
    assert len({a["drawn"] for a in answers}) == 3


def test_the_identity_is_renewed_after_a_restore_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks: list[Any] = []
    monkeypatch.setattr("snapshot_restore_py._after_restore_registry", hooks)
    forecast("1", monkeypatch)
    assert hooks == []
    monkeypatch.setenv("FORECAST_RENEW", "1")
    renewing = forecast("1", monkeypatch)
    before = renewing.identity
    ((hook, _, _),) = hooks
    hook()
    assert renewing.handler({}, None)["identity"] != before


@pytest.mark.parametrize("when", [{"weekday": 7}, {"hour": 24}, {"hour": "noon"}])
def test_a_time_that_is_none_is_refused(when: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="weekday is 0"):
        forecast("1", monkeypatch).handler(when, None)


def test_every_sample_answers_its_own_payload() -> None:
    assert set(PAYLOADS) == set(SAMPLES)
    for name in set(SAMPLES) - set(HANDLERS):
        json.dumps(load(name).handler(PAYLOADS[name], None))


def test_unknown_sample_lists_the_known() -> None:
    with pytest.raises(PackageError, match="pricing"):
        sample("nope")
