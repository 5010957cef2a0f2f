"""Filters of a mapping: what of each source's record they see, and which are refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from workbench.events.filters import MOST, parse, passes


def message(body: str) -> dict[str, Any]:
    return {"messageId": "1", "body": body, "eventSource": "aws:sqs", "attributes": {"SenderId": "me"}}


def kinesis(data: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(data).decode()
    return {"eventSource": "aws:kinesis", "kinesis": {"partitionKey": "k", "data": encoded}}


def dynamodb(kind: str) -> dict[str, Any]:
    return {"eventName": kind, "dynamodb": {"NewImage": {"kind": {"S": "order"}, "count": {"N": "3"}}}}


@pytest.mark.parametrize(
    ("pattern", "body", "expected"),
    [
        ({"body": {"kind": ["order"]}}, '{"kind": "order"}', True),
        ({"body": {"kind": ["order"]}}, '{"kind": "offer"}', False),
        ({"body": {"kind": ["order"]}}, "order", False),  # text, and a pattern of JSON
        ({"body": {"kind": [{"exists": False}]}}, "order", False),
        ({"body": ["order"]}, "order", True),
        ({"body": [{"prefix": "or"}]}, "order", True),
        ({"body": [{"prefix": "{"}]}, '{"kind": "order"}', False),  # JSON, and a pattern of text
        ({"body": ["12"]}, "12", True),
        ({"attributes": {"SenderId": ["me"]}}, "whatever", True),
        ({"attributes": {"SenderId": ["you"]}}, '{"kind": "order"}', False),
    ],
)
def test_a_message_is_seen_by_its_body(pattern: dict[str, Any], body: str, expected: bool) -> None:
    assert passes(parse([json.dumps(pattern)], "sqs"), message(body)) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b'{"city": "Rome"}', True), (b'{"city": "Oslo"}', False), (b"Rome", False), (b"\xff\xfe", False), (b"", False)],
)
def test_a_kinesis_record_is_seen_by_its_data(data: bytes, expected: bool) -> None:
    patterns = parse(['{"data": {"city": [{"anything-but": "Oslo"}]}, "partitionKey": ["k"]}'], "kinesis")
    assert passes(patterns, kinesis(data)) is expected


def test_what_kinesis_data_lacks_is_not_found_in_what_is_no_json() -> None:
    patterns = parse(['{"data": {"city": [{"exists": false}]}}'], "kinesis")
    assert passes(patterns, kinesis(b"{}"))
    assert not passes(patterns, kinesis(b"no JSON"))


def test_a_record_of_a_table_is_seen_as_it_is() -> None:
    patterns = parse(['{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["order"]}}}}'], "dynamodb")
    assert passes(patterns, dynamodb("INSERT"))
    assert not passes(patterns, dynamodb("REMOVE"))


def test_one_of_several_filters_is_enough_and_none_lets_all_pass() -> None:
    patterns = parse(['{"body": {"n": [1]}}', '{"body": {"n": [2]}}'], "sqs")
    assert [passes(patterns, message(json.dumps({"n": n}))) for n in (1, 2, 3)] == [True, True, False]
    assert passes((), message("anything"))


def test_a_wrong_filter_is_named_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"Invalid filter pattern definition\. Filter 2: .*unknown operator"):
        parse(['{"body": ["a"]}', '{"body": [{"like": "a"}]}'], "sqs")
    with pytest.raises(ValueError, match="at most 5"):
        parse(['{"body": ["a"]}'] * (MOST + 1), "sqs")
    for service, data in (("kinesis", "data"), ("dynamodb", "dynamodb")):
        with pytest.raises(ValueError, match="rules go by field"):
            parse([json.dumps({data: ["text"]})], service)
