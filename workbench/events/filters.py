"""The filters of an event source mapping: which records a function gets (Lambda developer guide, "Control which events
Lambda sends to your function", and the pages on filtering with SQS, Kinesis and DynamoDB).

A record is compared as the function would get it, but for what the producer put in: `body` of a message is its JSON or
its plain text, `data` of a Kinesis record its decoded JSON. Where one is JSON and the pattern is for text, or the other
way round, the record does not pass.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.events import patterns as language

MOST = 5
"""Filters of one mapping, unless AWS is asked for more."""

_DATA = {"sqs": "body", "kinesis": "data", "dynamodb": "dynamodb"}


def passes(patterns: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> bool:
    """Whether the function gets `event`, one of `Records` in AWS's shape: a pattern matches it, or there is none."""
    if not patterns:
        return True
    seen = _seen(event)
    return any(_alike(pattern, seen) and language.matches(pattern, seen) for pattern in patterns)


def parse(texts: Sequence[str], service: str) -> tuple[dict[str, Any], ...]:
    """The patterns of a mapping's filters; raises ValueError with what to change."""
    if len(texts) > MOST:
        raise ValueError(f"There are {len(texts)} filters; an event source mapping has at most {MOST}.")
    found = []
    for position, text in enumerate(texts):
        try:
            pattern = language.parse(text)
        except ValueError as error:
            raise ValueError(f"Invalid filter pattern definition. Filter {position + 1}: {error}") from error
        data = _DATA[service]
        if service != "sqs" and data in pattern and not isinstance(pattern[data], dict):
            raise ValueError(
                f'Invalid filter pattern definition. Filter {position + 1}: "{data}" is JSON, so its rules go by '
                f'field, such as {{"{data}": {{"city": ["Rome"]}}}}.'
            )
        found.append(pattern)
    return tuple(found)


def _alike(pattern: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether what the producer put in, and the pattern of it, are both JSON or both text."""
    data = "data" if "kinesis" in seen else "body"
    if data not in pattern:
        return True
    return isinstance(pattern[data], dict) is isinstance(seen.get(data), dict | list)


def _seen(event: Mapping[str, Any]) -> dict[str, Any]:
    if "kinesis" in event:
        record = event["kinesis"]
        return {**event, **record, "data": _json(_decoded(record.get("data", "")))}
    if isinstance(event.get("body"), str):
        found = _json(event["body"])
        return {**event, "body": event["body"] if found is None else found}
    return dict(event)


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data)
    except (binascii.Error, ValueError):
        return b""


def _json(text: str | bytes) -> dict[str, Any] | list[dict[str, Any]] | None:
    """What fields can be looked for in: an object, or the objects of an array; None of all else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list):
        return [element for element in found if isinstance(element, dict)]
    return found if isinstance(found, dict) else None
