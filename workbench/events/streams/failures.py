"""What the failure destination of a stream's mapping is told of records that are given up.

AWS Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event source in Lambda" (and its
twin for DynamoDB): queues and topics get metadata, by which the records can be read from the stream; a bucket gets the
event, too.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from workbench.events.mapping import Mapping
from workbench.events.streams.answers import payload_of
from workbench.events.streams.records import GivenUp
from workbench.faas.asynchronous.destinations import service_of, timestamp
from workbench.faas.asynchronous.event_store import StoredMessage
from workbench.faas.functions.function import LATEST

_KEPT_S = 6 * 3600.0
"""How long a destination that cannot be reached is tried, as for asynchronous invocations."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The latest invocation with the records: its id, the version that ran, AWS's word for its error (or none)."""

    request: str
    version: str
    error: str | None


def message_of(
    given_up: GivenUp, mapping: Mapping, shard: str, info: str, attempt: Attempt | None, now_s: float
) -> StoredMessage | None:
    """The message for the mapping's failure destination; None when it has none. `info` names the batch's metadata."""
    if not mapping.on_failure:
        return None
    found = record_of(given_up, mapping, shard, info, attempt, now_s)
    if service_of(mapping.on_failure) == "s3":
        found["payload"] = payload_of(given_up.batch, shard, mapping.source).decode()
    body = json.dumps(found).encode()
    return StoredMessage(
        str(uuid.uuid4()), f"{mapping.uuid}/{shard}", mapping.on_failure, "batch", body, "", now_s, now_s + _KEPT_S
    )


def record_of(
    given_up: GivenUp, mapping: Mapping, shard: str, info: str, attempt: Attempt | None, now_s: float
) -> dict[str, Any]:
    """The metadata of what is given up; without a response where the function never ran."""
    arn = mapping.function
    found: dict[str, Any] = {
        "requestContext": {
            "requestId": attempt.request if attempt else str(uuid.uuid4()),
            "functionArn": arn if arn.count(":") == 7 else f"{arn}:{LATEST}",
            "condition": given_up.condition,
            "approximateInvokeCount": given_up.batch.tries,
        }
    }
    if attempt is not None:
        found["responseContext"] = {
            "statusCode": 200,
            "executedVersion": attempt.version,
            "functionError": attempt.error,
        }
        if attempt.error is None:  # it answered, and reported records
            del found["responseContext"]["functionError"]
    found["version"] = "1.0"
    found["timestamp"] = timestamp(now_s)
    found[info] = _batch(given_up, mapping.source, shard)
    return found


def _batch(given_up: GivenUp, source: str, shard: str) -> dict[str, Any]:
    records = given_up.batch.records
    found: dict[str, Any] = {"shardId": shard}
    if records:  # there are none where the end of a window is given up
        found["startSequenceNumber"] = records[0].sequence
        found["endSequenceNumber"] = records[-1].sequence
        found["approximateArrivalOfFirstRecord"] = timestamp(records[0].arrived_s)
        found["approximateArrivalOfLastRecord"] = timestamp(records[-1].arrived_s)
    return {**found, "batchSize": len(records), "streamArn": source}
