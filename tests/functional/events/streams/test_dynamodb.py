"""The stream of a DynamoDB table as an event source, on the real platform."""

from __future__ import annotations

import json
from pathlib import Path

from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamModel

from tests.functional.events.streams.readers import Reader, eventually
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform


def table(aws: Aws, name: str) -> str:
    """A table with a stream; the stream's ARN."""
    made = aws.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    arn: str = made["TableDescription"]["LatestStreamArn"]
    return arn


def test_an_item_is_created_changed_and_deleted(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    arn, reader, items = table(aws, "orders"), Reader(platform, tmp_path), aws.client("dynamodb")
    reader.read(arn, StartingPosition="LATEST")
    key = {"id": {"S": "a"}}
    items.put_item(TableName="orders", Item={**key, "n": {"N": "1"}, "b": {"B": b"\x00\xff"}})
    items.update_item(
        TableName="orders", Key=key, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": {"N": "2"}}
    )
    items.delete_item(TableName="orders", Key=key)
    records = eventually(lambda: (found := [r for e in reader.events() for r in e["Records"]])[2:] and found)
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    one = {**key, "n": {"N": "1"}, "b": {"B": "AP8="}}
    two = {**one, "n": {"N": "2"}}
    images = [(record["dynamodb"].get("OldImage"), record["dynamodb"].get("NewImage")) for record in records]
    assert images == [(None, one), (one, two), (two, None)]
    models = DynamoDBStreamModel(Records=records).Records
    assert {model.eventSourceARN for model in models} == {arn}
    assert all(record["dynamodb"]["Keys"] == key for record in records)
    assert all(isinstance(record["dynamodb"]["ApproximateCreationDateTime"], int | float) for record in records)


def test_only_what_a_filter_wants_and_a_filtered_record_blocks_nothing(
    platform: Platform, aws: Aws, tmp_path: Path
) -> None:
    arn, reader, items = table(aws, "filtered"), Reader(platform, tmp_path), aws.client("dynamodb")
    for number in range(8):
        items.put_item(TableName="filtered", Item={"id": {"S": str(number)}, "n": {"N": str(number % 2)}})
    pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"n": {"N": ["1"]}}}})
    reader.read(arn, FilterCriteria={"Filters": [{"Pattern": pattern}]}, BatchSize=3, ParallelizationFactor=2)
    eventually(lambda: sum(len(event["Records"]) for event in reader.events()) == 4)
    found = sorted(r["dynamodb"]["Keys"]["id"]["S"] for e in reader.events() for r in e["Records"])
    assert found == ["1", "3", "5", "7"]


def test_a_record_that_fails_for_good_ends_in_the_queue(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    arn, items, dead = table(aws, "failing"), aws.client("dynamodb"), aws.queue("ddb-dead")
    reader = Reader(platform, tmp_path, "picky")  # which looks for Kinesis' data, and finds none
    items.put_item(TableName="failing", Item={"id": {"S": "a"}})
    to = {"OnFailure": {"Destination": dead.arn}}
    reader.read(arn, MaximumRetryAttempts=0, DestinationConfig=to)
    (record,) = eventually(dead.bodies)
    assert record["DDBStreamBatchInfo"]["streamArn"] == arn
    assert record["requestContext"]["approximateInvokeCount"] == 1
