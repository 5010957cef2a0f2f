"""The price book as shipped, and what a wrong one is told."""

from __future__ import annotations

import copy
import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from workbench.cost import PriceBook
from workbench.errors import WorkbenchError


@pytest.fixture
def data() -> dict[str, Any]:
    text = resources.files("workbench.cost").joinpath("price_book.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return copy.deepcopy(loaded)


@pytest.mark.parametrize(
    ("key", "usd"),
    [
        ("lambda.x86.gb_s", 0.0000166667),
        ("lambda.arm.gb_s", 0.0000133334),
        ("lambda.request", 0.20),
        ("lambda.provisioned.idle_gb_s", 0.0000041667),
        ("lambda.provisioned.used_gb_s", 0.0000097222),
        ("fargate.x86.vcpu_h", 0.04048),
        ("fargate.x86.gb_h", 0.004445),
        ("fargate.arm.vcpu_h", 0.03238),
        ("fargate.arm.gb_h", 0.00356),
        ("ec2.t3.micro.h", 0.0104),
        ("ec2.t3.small.h", 0.0208),
        ("ec2.t3.medium.h", 0.0416),
        ("ec2.t4g.micro.h", 0.0084),
        ("ec2.t4g.small.h", 0.0168),
        ("ec2.t4g.medium.h", 0.0336),
        ("ec2.m7g.large.h", 0.0816),
        ("apigateway.http.request", 1.00),
        ("apigateway.http.request_over_300m", 0.90),
        ("apigateway.rest.request_tier_1", 3.50),
        ("apigateway.rest.request_tier_4", 1.51),
        ("cloudrun.vcpu_s", 0.000024),
        ("cloudrun.gib_s", 0.0000025),
        ("cloudrun.request", 0.40),
        ("azure.consumption.gb_s", 0.000016),
        ("azure.consumption.request", 0.20),
    ],
)
def test_the_book_holds_the_published_price(key: str, usd: float) -> None:
    assert PriceBook.load().price(key).usd == usd


def test_every_entry_says_where_and_when() -> None:
    book = PriceBook.load()
    for price in book.prices.values():
        assert price.source
        assert price.date
        assert price.status in ("V", "S")
    assert book.free_tier["lambda.gb_s"].amount == 400_000
    assert book.free_tier["lambda.request"].amount == 1_000_000


def test_an_unverified_price_is_not_used() -> None:
    with pytest.raises(WorkbenchError, match="unverified"):
        PriceBook.load().price("alb.h")
    with pytest.raises(WorkbenchError, match="has no price"):
        PriceBook.load().price("lambda.mips.gb_s")


def test_every_vm_type_has_a_price() -> None:
    book = PriceBook.load()
    for size in book.vm_types:
        assert book.price(f"ec2.{size.name}.h").usd > 0


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("schema",), 2, "schema"),
        (("date",), "", "date"),
        (("prices",), {}, "prices"),
        (("prices", "lambda.request", "usd"), -1, "number above 0"),
        (("prices", "lambda.request", "usd"), True, "number above 0"),
        (("prices", "lambda.request", "usd"), None, "status must be U"),
        (("prices", "lambda.request", "status"), "X", "V, S or U"),
        (("prices", "lambda.request", "source"), "", "source"),
        (("free_tier", "lambda.gb_s", "amount"), "many", "number above 0"),
        (("fargate_sizes", "status"), None, "V, S or U"),
        (("vm_types",), {}, "list"),
    ],
)
def test_a_wrong_entry_is_named(data: dict[str, Any], path: tuple[str, ...], value: object, says: str) -> None:
    entry = data
    for step in path[:-1]:
        entry = entry[step]
    entry[path[-1]] = value
    with pytest.raises(WorkbenchError, match=says):
        PriceBook.from_json(data)


def test_a_book_of_ones_own(data: dict[str, Any], tmp_path: Path) -> None:
    data["prices"]["lambda.request"]["usd"] = 0.5
    file = tmp_path / "book.json"
    file.write_text(json.dumps(data))
    assert PriceBook.load(file).price("lambda.request").usd == 0.5
    file.write_text("{")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        PriceBook.load(file)
    with pytest.raises(WorkbenchError, match="cannot be read"):
        PriceBook.load(tmp_path / "absent.json")
