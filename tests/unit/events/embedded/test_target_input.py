"""What targets of EventBridge rules get of an event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.events.embedded.inside.target_input import at_path, filled, target_input

EVENT = {"id": "1", "detail-type": "Order", "detail": {"sku": 'A"1', "items": [{"n": 2}, {"n": 3}], "a b": True}}
RULE = "arn:aws:events:us-east-1:000000000000:rule/orders"


def of(target: dict[str, Any]) -> Any:
    return target_input(target, EVENT, RULE, "2026-01-01T00:00:00Z")


def test_all_a_constant_or_a_part() -> None:
    assert of({}) == EVENT
    assert of({"Input": '{"fixed": 1}'}) == {"fixed": 1}
    assert of({"InputPath": "$.detail"}) == EVENT["detail"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", EVENT),
        ("$.detail-type", "Order"),
        ("$.detail.items[1].n", 3),
        ("$.detail['a b']", True),
        ("$.detail.items[9]", None),
        ("$.detail.none.deeper", None),
        ("$.id.deeper", None),
    ],
)
def test_paths(path: str, value: Any) -> None:
    assert at_path(EVENT, path) == value


def test_a_template_of_json_gets_json_and_within_quotes_text() -> None:
    paths = {"sku": "$.detail.sku", "items": "$.detail.items", "none": "$.none"}
    template = (
        '{"sku": <sku>, "said": "sku <sku>, <items>, <none>!", "items": <items>, "rule": "<aws.events.rule-name>"}'
    )
    assert of({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}}) == {
        "sku": 'A"1',
        "said": 'sku A"1, [{"n": 2}, {"n": 3}], !',
        "items": [{"n": 2}, {"n": 3}],
        "rule": "orders",
    }


def test_a_template_may_be_a_text_and_may_have_the_whole_event() -> None:
    text = {"InputPathsMap": {"id": "$.id"}, "InputTemplate": '"order <id> of <unknown>"'}
    assert of({"InputTransformer": text}) == "order 1 of <unknown>"
    whole = {"InputTemplate": '{"whole": <aws.events.event.json>, "at": <aws.events.event.ingestion-time>}'}
    assert of({"InputTransformer": whole}) == {"whole": EVENT, "at": "2026-01-01T00:00:00Z"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v, max_size=3)))
def test_whatever_is_filled_in_a_template_stays_json(value: Any) -> None:
    made = json.loads(filled('{"bare": <v>, "quoted": "<v> \\" <v>"}', {"v": value}))
    assert made["bare"] == value
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    assert made["quoted"] == f'{text} " {text}'
