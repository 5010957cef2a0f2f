"""Kinesis streams as event sources, on the real platform: batches, failures, windows, shards."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlencode

from aws_lambda_powertools.utilities.parser.models import KinesisDataStreamModel

from tests.functional.events.streams.readers import Reader, Stream, eventually, numbers
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import ROLE, Platform


def steps_of(platform: Platform, stream: Stream, number: int) -> list[str]:
    """What became of a record of the first shard."""
    query = urlencode({"id": f"shardId-000000000000:{number}", "source": stream.arn})
    return [step["what"] for step in platform.ask("GET", f"flow?{query}")["steps"]]


def test_records_come_in_batches_in_the_shape_of_aws(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put(range(25), keys=3)
    mapping = reader.read(stream.arn, BatchSize=10)
    eventually(lambda: len(reader.all()) == 25)
    assert [len(batch) for batch in reader.batches()] == [10, 10, 5]
    assert reader.all() == list(range(25))
    record = KinesisDataStreamModel(**reader.events()[0]).Records[4]
    assert (record.kinesis.data, record.kinesis.partitionKey, record.kinesis.sequenceNumber) == (b"4", "key-1", "5")
    assert (record.eventID, record.eventSourceARN) == ("shardId-000000000000:5", stream.arn)
    assert (record.invokeIdentityArn, record.awsRegion) == (ROLE, "us-east-1")
    assert abs(record.kinesis.approximateArrivalTimestamp - time.time()) < 3600
    assert reader.mapping(mapping)["LastProcessingResult"] == "OK"


def test_each_event_is_traceable_by_its_id(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put([1, 2])
    pattern = json.dumps({"partitionKey": [{"anything-but": "x"}], "data": {"n": [1]}})
    stream.client.put_record(StreamName=stream.name, Data=b'{"n": 2}', PartitionKey="k")
    reader.read(stream.arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})

    eventually(lambda: steps_of(platform, stream, 3) == ["received", "filtered"])
    stream.client.put_record(StreamName=stream.name, Data=b'{"n": 1}', PartitionKey="k")
    eventually(lambda: steps_of(platform, stream, 4) == ["received", "batched", "invoked", "answered"])
    assert len(reader.events()) == 1


def test_a_poison_record_is_halved_down_to_itself_and_ends_in_the_failure_destination(
    platform: Platform, aws: Aws, tmp_path: Path
) -> None:
    stream, reader, dead = Stream(aws), Reader(platform, tmp_path, "picky"), aws.queue("poison")
    stream.put(range(10, 26))
    reader.read(
        stream.arn,
        BatchSize=16,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": dead.arn}},
    )
    (record,) = eventually(dead.bodies)
    eventually(lambda: 25 in [n for batch in reader.batches() if 13 not in batch for n in batch])
    tries = [batch for batch in reader.batches() if 13 in batch]
    assert [len(batch) for batch in tries] == [16, 8, 4, 2, 1, 1]
    assert [n for batch in reader.batches() if 13 not in batch for n in batch] == [*range(10, 13), *range(14, 26)]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 6
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    batch = record["KinesisBatchInfo"]
    assert (batch["startSequenceNumber"], batch["endSequenceNumber"], batch["batchSize"]) == ("4", "4", 1)
    assert (batch["shardId"], batch["streamArn"]) == ("shardId-000000000000", stream.arn)
    assert steps_of(platform, stream, 4)[-1] == "dead-lettered"


def test_what_is_reported_is_tried_again_from_there_on_and_a_bucket_gets_the_event(
    platform: Platform, aws: Aws, tmp_path: Path
) -> None:
    stream, reader, store = Stream(aws), Reader(platform, tmp_path, "honest"), aws.client("s3")
    store.create_bucket(Bucket="discarded")
    stream.put(range(10, 16))
    mapping = reader.read(
        stream.arn,
        BatchSize=6,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::discarded"}},
    )
    (entry,) = eventually(lambda: store.list_objects_v2(Bucket="discarded").get("Contents"))
    assert entry["Key"].startswith(f"aws/lambda/{mapping}/shardId-000000000000/")
    record = json.loads(store.get_object(Bucket="discarded", Key=entry["Key"])["Body"].read())
    assert numbers(json.loads(record["payload"])) == [13, 14, 15]
    assert "functionError" not in record["responseContext"]
    assert reader.batches() == [list(range(10, 16)), [13, 14, 15], [13, 14, 15]]


def test_parallel_lanes_keep_the_order_of_each_key(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put(range(400), keys=8)
    reader.read(stream.arn, BatchSize=10, ParallelizationFactor=4)
    eventually(lambda: len(reader.all()) == 400)
    by_key = defaultdict(list)
    for number in reader.all():
        by_key[number % 8].append(number)
    assert all(found == sorted(found) for found in by_key.values())
    lanes = {frozenset(number % 8 for number in batch) for batch in reader.batches()}
    assert len(lanes) > 1


def test_latest_begins_with_what_comes_after_the_mapping_and_a_window_gathers(
    platform: Platform, aws: Aws, tmp_path: Path
) -> None:
    stream, reader = Stream(aws, shards=2), Reader(platform, tmp_path)
    stream.put(range(5), keys=5)
    reader.read(stream.arn, StartingPosition="LATEST", BatchSize=1000, MaximumBatchingWindowInSeconds=300)
    later = Reader(platform, tmp_path)
    later.read(stream.arn, StartingPosition="LATEST", BatchSize=3)
    stream.put(range(100, 109))
    eventually(lambda: len(later.all()) == 9)
    assert later.all() == list(range(100, 109))
    assert reader.events() == []
    depths = platform.ask("GET", "flow")["depths"]
    assert stream.arn in depths


def test_at_a_timestamp(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put(range(3))
    moment = time.time()
    stream.put(range(3, 6))
    reader.read(stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=moment)
    eventually(lambda: 5 in reader.all())
    assert set(reader.all()) in ({3, 4, 5}, set(range(6)))  # the API has whole seconds


def test_a_tumbling_window_hands_its_state_on_and_ends(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path, "adds")
    stream.put(range(1, 21))
    reader.read(stream.arn, BatchSize=7, TumblingWindowInSeconds=2)
    finals = eventually(lambda: [event for event in reader.events() if event["isFinalInvokeForWindow"]])
    events = reader.events()
    assert [e["Records"] for e in finals] == [[] for _ in finals]
    assert sum(e["state"]["sum"] for e in finals) == 210 or len(finals) < len({e["window"]["start"] for e in events})
    first = events[0]
    assert (first["state"], first["shardId"], first["eventSourceARN"]) == ({}, "shardId-000000000000", stream.arn)
    assert events[1]["state"] in ({"sum": sum(numbers(first))}, {})


def test_the_shard_of_a_merge_is_read_after_its_parents(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    """moto copies the parents' records into the child, and goes on writing to a parent: both are read."""
    stream, reader = Stream(aws, shards=2), Reader(platform, tmp_path)
    stream.put(range(20), keys=10)
    first, second = "shardId-000000000000", "shardId-000000000001"
    stream.client.merge_shards(StreamName=stream.name, ShardToMerge=first, AdjacentShardToMerge=second)
    stream.put(range(20, 30), keys=10)
    reader.read(stream.arn)
    eventually(lambda: len(reader.all()) == 50)
    shards = [record["eventID"].split(":")[0] for event in reader.events() for record in event["Records"]]
    assert set(shards[:30]) == {first, second}
    assert set(shards[30:]) == {"shardId-000000000002"}
    assert set(reader.all()) == set(range(30))


def test_a_stream_that_is_made_anew_is_read_from_its_start(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    """Its numbers begin again: what was kept of the old one must not make records of the new one be skipped."""
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put(range(5))
    mapping = reader.read(stream.arn)
    eventually(lambda: len(reader.all()) == 5)
    stream.client.delete_stream(StreamName=stream.name)
    eventually(lambda: "not found" in reader.mapping(mapping)["LastProcessingResult"])
    stream.client.create_stream(StreamName=stream.name, ShardCount=1)
    stream.put(range(10, 13))
    eventually(lambda: reader.all()[5:] == [10, 11, 12])


def test_a_mapping_goes_on_where_it_was_when_it_is_enabled_again(platform: Platform, aws: Aws, tmp_path: Path) -> None:
    stream, reader = Stream(aws), Reader(platform, tmp_path)
    stream.put(range(5))
    mapping = reader.read(stream.arn)
    eventually(lambda: len(reader.all()) == 5)
    for enabled, state in ((False, "Disabled"), (True, "Enabled")):
        platform.client.update_event_source_mapping(UUID=mapping, Enabled=enabled)
        eventually(lambda: reader.mapping(mapping)["State"] == state)  # noqa: B023  # used at once
        stream.put([5] if not enabled else [6])
    eventually(lambda: len(reader.all()) == 7)
    assert reader.all() == list(range(7))
