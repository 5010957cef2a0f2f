"""The stream of a DynamoDB table as a source, and its records as AWS Lambda hands them over.

AWS Lambda developer guide, "Polling and batching streams" (each shard is asked four times a second); DynamoDB API
reference, "Amazon DynamoDB Streams" GetRecords (1,000 records at most).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from workbench.events.streams.records import Record
from workbench.events.streams.source import Listing, Page, ShardInfo
from workbench.faas.asynchronous.aws_client import AwsClients

_SERVICE = "dynamodbstreams"


class TableStream:
    """A table's stream by its ARN, which has the stream's date of birth in it."""

    poll_s = 0.25
    most = 1_000
    info = "DDBStreamBatchInfo"

    def __init__(self, aws: AwsClients, arn: str) -> None:
        self._aws = aws
        self._arn = arn

    async def shards(self) -> Listing:
        """See Source."""
        found: list[ShardInfo] = []
        wish: dict[str, Any] = {"StreamArn": self._arn}
        while wish:
            answer = (await self._aws.call(_SERVICE, "describe_stream", **wish))["StreamDescription"]
            found += [_shard(shard) for shard in answer["Shards"]]
            last = answer.get("LastEvaluatedShardId")
            wish = {"StreamArn": self._arn, "ExclusiveStartShardId": last} if last else {}
        return Listing(self._arn, tuple(found))

    async def iterator(self, shard: str, after: str, since_s: float) -> str:
        """See Source. These streams cannot be entered at a time, so all that they keep is read."""
        if after:
            try:
                return await self._iterator(
                    shard, {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") != "TrimmedDataAccessException":
                    raise
        return await self._iterator(shard, {"ShardIteratorType": "TRIM_HORIZON"})

    async def _iterator(self, shard: str, wish: Mapping[str, str]) -> str:
        answer = await self._aws.call(_SERVICE, "get_shard_iterator", StreamArn=self._arn, ShardId=shard, **wish)
        return str(answer["ShardIterator"])

    async def read(self, shard: str, iterator: str, limit: int) -> Page:
        """See Source."""
        answer = await self._aws.call(_SERVICE, "get_records", ShardIterator=iterator, Limit=min(limit, self.most))
        records = [self._record(record) for record in answer["Records"]]
        return Page(records, answer.get("NextShardIterator"), not records)

    def _record(self, record: Mapping[str, Any]) -> tuple[Record, Mapping[str, Any]]:
        event = record_event(record, self._arn)
        change = event["dynamodb"]
        key = json.dumps(change.get("Keys", {}), sort_keys=True)
        made = Record(change["SequenceNumber"], key, change["ApproximateCreationDateTime"], json.dumps(event))
        return made, event


def _shard(shard: Mapping[str, Any]) -> ShardInfo:
    parent = shard.get("ParentShardId")
    closed = bool(shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
    return ShardInfo(shard["ShardId"], (parent,) if parent else (), closed)


def record_event(record: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """One of `Records`, of a record as GetRecords gives it."""
    event = {
        "eventID": record["eventID"],
        "eventName": record["eventName"],
        "eventVersion": record["eventVersion"],
        "eventSource": "aws:dynamodb",
        "awsRegion": arn.split(":")[3],
        "dynamodb": as_json(record["dynamodb"]),
        "eventSourceARN": arn,
    }
    who = record.get("userIdentity")
    if who:  # a deletion by time to live
        event["userIdentity"] = {"type": who.get("Type"), "principalId": who.get("PrincipalId")}
    return event


def as_json(value: Any) -> Any:
    """What botocore made of an answer, as the JSON it was: bytes in base64, times in seconds since the epoch."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        seconds = round(value.timestamp(), 3)
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, Mapping):
        return {name: as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value
