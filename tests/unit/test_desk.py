"""The desk knows each way by the shape of its event, and says what it did."""

from __future__ import annotations

import base64
import importlib.util
import json
from types import ModuleType
from typing import Any

import pytest

from workbench.samples import sample

EVENTS: dict[str, dict[str, Any]] = {
    "direct": {"order": "tea"},
    "s3": {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "green+tea%21"}}}]},
    "sqs": {"Records": [{"eventSource": "aws:sqs", "body": "tea"}, {"eventSource": "aws:sqs", "body": "cake"}]},
    "kinesis": {
        "Records": [{"eventSource": "aws:kinesis", "kinesis": {"data": base64.b64encode(b"tea").decode()}}],
    },
    "dynamodb": {"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {"order": {"S": "tea"}}}}]},
    "ses": {"Records": [{"eventSource": "aws:ses", "ses": {"mail": {"commonHeaders": {"subject": "tea"}}}}]},
    "http": {"requestContext": {}, "pathParameters": {"order": "tea"}},
    "schedule": {"detail-type": "Scheduled Event", "time": "2026-03-29T00:00:00Z"},
}
ORDERS = {"s3": ["green tea!"], "sqs": ["tea", "cake"], "schedule": ["stocktaking 2026-03-29T00:00:00Z"]}


@pytest.fixture(scope="module")
def desk() -> ModuleType:
    spec = importlib.util.spec_from_file_location("desk_app", sample("desk").source / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("way", EVENTS)
def test_each_way_is_known_by_its_shape_and_printed(
    desk: ModuleType, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = desk.handler(EVENTS[way], None)
    printed = json.loads(capsys.readouterr().out)
    orders = ORDERS.get(way, ["tea"])
    assert (printed["way"], printed["orders"]) == (way, orders)
    assert printed["ended"] > printed["began"]
    http = {"statusCode": 200, "body": "tea is on its way\n"}
    assert answer == (http if way == "http" else {"way": way, "orders": len(orders)})


def test_a_bad_order_is_printed_and_then_fails(desk: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="nobody here can make 'bad tea'"):
        desk.handler({"order": "bad tea"}, None)
    assert json.loads(capsys.readouterr().out)["orders"] == ["bad tea"]
