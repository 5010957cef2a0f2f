"""Records as AWS Lambda hands them over, checked by independent models of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.parser.models import (
    DynamoDBStreamLambdaOnFailureDestinationModel,
    DynamoDBStreamModel,
    KinesisDataStreamModel,
)

from workbench.events.mapping import Mapping
from workbench.events.streams import dynamodb, kinesis
from workbench.events.streams.failures import Attempt, message_of
from workbench.events.streams.records import Batch, GivenUp, Record
from workbench.events.streams.source import ShardInfo, parents_first

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
ROLE = "arn:aws:iam::123456789012:role/reader"
FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:work"


def test_a_kinesis_record() -> None:
    arrived = datetime(2026, 1, 1, 0, 0, 0, 987000, UTC)
    record = {
        "SequenceNumber": "4959",
        "PartitionKey": "1",
        "Data": b"\x00\xffhi",
        "ApproximateArrivalTimestamp": arrived,
    }
    event = kinesis.record_event(record, "shardId-000000000006", STREAM, ROLE)
    (found,) = KinesisDataStreamModel(Records=[json.loads(json.dumps(event))]).Records
    assert found.kinesis.data == b"\x00\xffhi"
    assert found.eventID == "shardId-000000000006:4959"
    assert (found.awsRegion, found.invokeIdentityArn, found.eventSourceARN) == ("eu-west-1", ROLE, STREAM)
    assert event["kinesis"]["approximateArrivalTimestamp"] == 1767225600.987


def test_a_change_of_an_item() -> None:
    change = {
        "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=UTC),
        "Keys": {"id": {"S": "a"}},
        "NewImage": {"id": {"S": "a"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\xff"}, "s": {"BS": [b"1", b"2"]}},
        "OldImage": {"id": {"S": "a"}, "m": {"M": {"l": {"L": [{"NULL": True}, {"B": b"x"}]}}}},
        "SequenceNumber": "111",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    record: dict[str, Any] = {"eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "dynamodb": change}
    event = json.loads(json.dumps(dynamodb.record_event(record, TABLE)))
    assert event["dynamodb"]["ApproximateCreationDateTime"] == 1767225600
    assert event["dynamodb"]["NewImage"]["b"] == {"B": "AP8="}
    assert event["dynamodb"]["NewImage"]["s"] == {"BS": ["MQ==", "Mg=="]}
    assert event["dynamodb"]["OldImage"]["m"] == {"M": {"l": {"L": [{"NULL": True}, {"B": "eA=="}]}}}
    (found,) = DynamoDBStreamModel(Records=[event]).Records
    assert (found.eventName, found.awsRegion, found.eventSourceARN) == ("MODIFY", "eu-west-1", TABLE)
    assert found.userIdentity is None


def test_an_item_whose_time_is_over_was_deleted_by_the_service() -> None:
    record = {"eventID": "1", "eventName": "REMOVE", "eventVersion": "1.1", "dynamodb": {"Keys": {}}}
    who = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    event = dynamodb.record_event({**record, "userIdentity": who}, TABLE)
    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def test_what_a_failure_destination_is_told() -> None:
    mapping = Mapping("m-1", TABLE, FUNCTION, 10, on_failure="arn:aws:sqs:eu-west-1:123456789012:dead")
    records = (Record("7", "k", 1.25, '{"a":1}'), Record("9", "k", 2.5, '{"a":2}'))
    given_up = GivenUp(Batch(3, 0, records, tries=4), "RetryAttemptsExhausted")
    message = message_of(
        given_up, mapping, "shardId-1", "DDBStreamBatchInfo", Attempt("r-1", "$LATEST", "Unhandled"), 3
    )
    assert message is not None
    found = json.loads(message.body)
    DynamoDBStreamLambdaOnFailureDestinationModel(**found)
    assert found == {
        "requestContext": {
            "requestId": "r-1",
            "functionArn": f"{FUNCTION}:$LATEST",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "1970-01-01T00:00:03.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": "7",
            "endSequenceNumber": "9",
            "approximateArrivalOfFirstRecord": "1970-01-01T00:00:01.250Z",
            "approximateArrivalOfLastRecord": "1970-01-01T00:00:02.500Z",
            "batchSize": 2,
            "streamArn": TABLE,
        },
    }


def test_a_bucket_gets_the_event_too_and_what_never_ran_has_no_response() -> None:
    mapping = Mapping("m-1", STREAM, f"{FUNCTION}:live", 10, on_failure="arn:aws:s3:::dead")
    given_up = GivenUp(Batch(3, 0, (Record("7", "k", 1.25, '{"a":1}'),)), "RecordAgeExceeded")
    message = message_of(given_up, mapping, "shardId-1", "KinesisBatchInfo", None, 3)
    assert message is not None
    found = json.loads(message.body)
    assert json.loads(found["payload"]) == {"Records": [{"a": 1}]}
    assert "responseContext" not in found
    assert found["requestContext"]["functionArn"] == f"{FUNCTION}:live"
    assert message.function == "m-1/shardId-1"


def test_children_wait_for_their_parents() -> None:
    old, left, right = ShardInfo("0", ("gone",), closed=True), ShardInfo("1", ("0",)), ShardInfo("2", ("0",))
    merged = ShardInfo("3", ("1", "2"))
    shards = [merged, right, left, old]
    assert parents_first(shards, set()) == [old]
    assert parents_first(shards, {"0"}) == [right, left, old]
    assert parents_first(shards, {"0", "1"}) == [right, left, old]
    assert parents_first(shards, {"0", "1", "2"}) == shards
