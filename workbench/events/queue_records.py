"""Messages of SQS as a function gets them, and what its answer says of them.

Shapes from the Lambda developer guide, "Using Lambda with Amazon SQS" (the event) and "Implementing partial batch
responses" (the answer).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

MAX_EVENT = 6 * 2**20
"""Bytes of one event: what a synchronous invocation may carry ("Lambda quotas")."""

_HEAD, _TAIL = b'{"Records": [', b"]}"
_JOIN = b", "


def record(message: dict[str, Any], source: str) -> dict[str, Any]:
    """One of the event's `Records`, of a message as ReceiveMessage gives it; `source` is the queue's ARN."""
    found = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": dict(message.get("Attributes", {})),
        "messageAttributes": {name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()},
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": source,
        "awsRegion": source.split(":")[3],
    }
    if message.get("MD5OfMessageAttributes"):
        found["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return found


def event(records: Iterable[bytes]) -> bytes:
    """The event of records that are JSON already."""
    return _HEAD + _JOIN.join(records) + _TAIL


def fits(sizes: int, count: int, more: int) -> bool:
    """Whether to `count` records of together `sizes` bytes one of `more` bytes can be added."""
    return len(_HEAD) + len(_TAIL) + sizes + more + len(_JOIN) * count <= MAX_EVENT


def failed(answer: bytes, ids: Sequence[str]) -> tuple[frozenset[str], str]:
    """Which of a batch's messages a function reports as failed, and what is wrong with its answer if something is.

    Nothing, null and an empty list are a success; an answer that cannot be understood, or names no message of the
    batch, fails all of it.
    """
    everything = frozenset(ids)
    try:
        said = json.loads(answer or b"null")
    except (ValueError, RecursionError):
        return everything, "its answer is no JSON"
    if said is None:
        return frozenset(), ""
    if not isinstance(said, dict):
        return everything, "its answer is no object with batchItemFailures"
    items = said.get("batchItemFailures")
    if items is None:
        return frozenset(), ""
    if not isinstance(items, list):
        return everything, "batchItemFailures is no list"
    found = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    known = [name for name in found if isinstance(name, str) and name in everything]
    if len(known) < len(found):
        unknown = next(name for name in found if name not in known)
        return everything, f"itemIdentifier {json.dumps(unknown)[:80]} is no message of the batch"
    return frozenset(known), ""


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "StringValue" in value:
        found["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        found["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return found
