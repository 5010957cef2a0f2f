"""A Kinesis data stream as a source, and its records as AWS Lambda hands them over.

AWS Lambda developer guide, "How Lambda processes records from stream and queue-based event sources" (each shard is
asked once a second) and "Polling and batching streams"; Kinesis API reference, GetRecords (10,000 records at most).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from workbench.events.streams.records import Record
from workbench.events.streams.source import Listing, Page, ShardInfo
from workbench.faas.asynchronous.aws_client import AwsClients


class KinesisStream:
    """A stream by its ARN; `role` says the ARN of the role of the function that reads it."""

    poll_s = 1.0
    most = 10_000
    info = "KinesisBatchInfo"

    def __init__(self, aws: AwsClients, arn: str, role: Callable[[], str]) -> None:
        self._aws = aws
        self._arn = arn
        self._role = role

    async def shards(self) -> Listing:
        """See Source."""
        summary = await self._aws.call("kinesis", "describe_stream_summary", StreamARN=self._arn)
        found: list[ShardInfo] = []
        wish: dict[str, Any] = {"StreamARN": self._arn}
        while wish:
            answer = await self._aws.call("kinesis", "list_shards", **wish)
            found += [_shard(shard) for shard in answer["Shards"]]
            token = answer.get("NextToken")
            wish = {"NextToken": token} if token else {}
        return Listing(str(summary["StreamDescriptionSummary"]["StreamCreationTimestamp"].timestamp()), tuple(found))

    async def iterator(self, shard: str, after: str, since_s: float) -> str:
        """See Source."""
        if after:
            wish: dict[str, Any] = {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "StartingSequenceNumber": after,
            }
        elif since_s:
            wish = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since_s}
        else:
            wish = {"ShardIteratorType": "TRIM_HORIZON"}
        answer = await self._aws.call("kinesis", "get_shard_iterator", StreamARN=self._arn, ShardId=shard, **wish)
        return str(answer["ShardIterator"])

    async def read(self, shard: str, iterator: str, limit: int) -> Page:
        """See Source."""
        answer = await self._aws.call(
            "kinesis", "get_records", StreamARN=self._arn, ShardIterator=iterator, Limit=min(limit, self.most)
        )
        role = self._role()
        records = [self._record(shard, record, role) for record in answer["Records"]]
        latest = not records and not answer.get("MillisBehindLatest")
        return Page(records, answer.get("NextShardIterator"), latest)

    def _record(self, shard: str, record: Mapping[str, Any], role: str) -> tuple[Record, Mapping[str, Any]]:
        event = record_event(record, shard, self._arn, role)
        arrived_s = event["kinesis"]["approximateArrivalTimestamp"]
        made = Record(record["SequenceNumber"], record["PartitionKey"], arrived_s, json.dumps(event))
        return made, event


def _shard(shard: Mapping[str, Any]) -> ShardInfo:
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    closed = bool(shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
    return ShardInfo(shard["ShardId"], tuple(parent for parent in parents if parent), closed)


def record_event(record: Mapping[str, Any], shard: str, arn: str, role: str) -> dict[str, Any]:
    """One of `Records`, of a record as GetRecords gives it."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": round(record["ApproximateArrivalTimestamp"].timestamp(), 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": arn.split(":")[3],
        "eventSourceARN": arn,
    }
