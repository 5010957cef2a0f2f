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


def test_every_sample_answers_its_own_payload() -> None:
    assert set(PAYLOADS) == set(SAMPLES)
    for name in set(SAMPLES) - set(HANDLERS):
        json.dumps(load(name).handler(PAYLOADS[name], None))


def test_unknown_sample_lists_the_known() -> None:
    with pytest.raises(PackageError, match="pricing"):
        sample("nope")
