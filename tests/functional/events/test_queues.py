"""Queues of a real SQS server read by the real platform, and functions invoked with what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel
from botocore.exceptions import ClientError

from tests.functional.events.queues import Seen, TestQueue, connect, settled, steps
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, eventually

SHORT = "2"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as running:
        yield running


@pytest.fixture(scope="module")
def platform(aws: Aws) -> Iterator[Platform]:
    with Platform("--aws-endpoint", aws.endpoint) as running:
        running.warm_up()
        yield running


@pytest.fixture
def seen(platform: Platform, tmp_path: Path) -> Iterator[Seen]:
    """A function of its own for one test; what reads a queue for it is deleted with it."""
    found = Seen(platform, tmp_path)
    yield found
    listed = platform.client.list_event_source_mappings(FunctionName=found.name)["EventSourceMappings"]
    for mapping in listed:
        if mapping["State"] != "Deleting":
            platform.client.delete_event_source_mapping(UUID=mapping["UUID"])
    platform.delete(found.name)


def test_a_message_is_handled_in_the_shape_of_aws_and_deleted(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "shape")
    attributes = {
        "colour": {"DataType": "String", "StringValue": "blue"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    (sent,) = queue.send({"n": 1}, MessageAttributes=attributes)
    connect(platform, queue, seen.name)
    (call,) = eventually(seen.calls)
    (record,) = SqsModel.model_validate(call["event"]).Records
    assert (record.messageId, record.body, record.eventSourceARN) == (sent, '{"n": 1}', queue.arn)
    assert record.attributes.ApproximateReceiveCount == "1"
    raw = call["event"]["Records"][0]
    assert raw["messageAttributes"]["colour"] == {
        "stringValue": "blue",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    assert raw["messageAttributes"]["raw"]["binaryValue"] == "AP8="
    assert (raw["eventSource"], raw["awsRegion"]) == ("aws:sqs", "us-east-1")
    eventually(lambda: queue.left() == 0)
    told = eventually(lambda: found if len(found := steps(platform, sent)) == 4 else None)
    assert [step["what"] for step in told] == ["received", "batched", "invoked", "answered"]
    assert {step["request"] for step in told[2:]} == {call["id"]}
    assert told[1]["batch"] == told[3]["batch"] != ""
    assert told[3]["instance"].startswith("faas-")


def test_what_arrives_later_is_handled_too_and_seen_in_the_depth(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "later")
    mapping = connect(platform, queue, seen.name)
    queue.send("a")
    eventually(lambda: seen.bodies() == ["a"])
    queue.send("b")
    eventually(lambda: seen.bodies() == ["a", "b"])
    eventually(lambda: platform.ask("GET", "flow")["depths"].get(queue.arn) == 0)
    assert platform.client.get_event_source_mapping(UUID=mapping)["LastProcessingResult"] == "OK"


def test_a_window_gathers_a_larger_batch(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "window")
    queue.send_many([str(n) for n in range(25)])
    connect(platform, queue, seen.name, BatchSize=20, MaximumBatchingWindowInSeconds=2)
    eventually(lambda: queue.left() == 0)
    assert [len(call["event"]["Records"]) for call in seen.calls()] == [20, 5]


def test_a_batch_larger_than_an_event_is_divided(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "large")
    for number in range(10):
        queue.send(f"{number}" + "x" * 1_000_000)
    connect(platform, queue, seen.name)
    eventually(lambda: queue.left() == 0)
    assert sorted(body[0] for body in seen.bodies()) == [str(n) for n in range(10)]
    assert len(seen.calls()) == 2


def test_a_failed_batch_comes_again_and_ends_as_dead_letters(aws: Aws, platform: Platform, seen: Seen) -> None:
    dead = TestQueue(aws, "dead")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue = TestQueue(aws, "failing", RedrivePolicy=redrive, VisibilityTimeout=SHORT)
    (poison,) = queue.send({"raise": "poison"})
    mapping = connect(platform, queue, seen.name)
    eventually(lambda: dead.left() == 1)
    eventually(lambda: queue.left() == 0)
    counts = [record["attributes"]["ApproximateReceiveCount"] for record in seen.records()]
    assert counts == ["1", "2"]
    told = [step["what"] for step in steps(platform, poison)]
    assert told == ["received", "batched", "invoked", "failed"] * 2 + ["dead-lettered"]
    said = platform.client.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    assert said.startswith("PROBLEM: Unhandled")
    assert "poison" in said


def test_only_what_is_reported_as_failed_comes_again(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "partial", VisibilityTimeout=SHORT)
    queue.send({"n": 1}, {"n": 2, "fail": 1}, {"n": 3})
    connect(platform, queue, seen.name, FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: len(seen.calls()) >= 2)
    assert [json.loads(body)["n"] for body in seen.bodies()[:4]] == [1, 2, 3, 2]
    assert queue.left() == 1


def test_without_the_wish_for_it_a_report_is_nothing_but_an_answer(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "unasked", VisibilityTimeout=SHORT)
    queue.send({"fail": 1})
    connect(platform, queue, seen.name)
    eventually(lambda: queue.left() == 0)
    assert len(seen.calls()) == 1


@pytest.mark.parametrize("answer", ["text", {"batchItemFailures": [{"itemIdentifier": "another's"}]}])
def test_a_report_that_makes_no_sense_fails_the_whole_batch(
    aws: Aws, platform: Platform, seen: Seen, answer: Any
) -> None:
    queue = TestQueue(aws, f"nonsense-{type(answer).__name__}", VisibilityTimeout=SHORT)
    queue.send({"answer": answer}, {"n": 2})
    connect(platform, queue, seen.name, FunctionResponseTypes=["ReportBatchItemFailures"])
    eventually(lambda: len(seen.calls()) >= 2)
    assert queue.left() == 2


def test_what_no_filter_wants_is_deleted_unseen(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "filtered")
    wanted = json.dumps({"body": {"kind": ["order"], "count": [{"numeric": [">", 1]}]}})
    (unwanted,) = queue.send({"kind": "offer", "count": 2})
    queue.send("plain", {"kind": "order", "count": 1}, {"kind": "order", "count": 2})
    connect(platform, queue, seen.name, FilterCriteria={"Filters": [{"Pattern": wanted}]})
    eventually(lambda: queue.left() == 0)
    assert [json.loads(body) for body in seen.bodies()] == [{"kind": "order", "count": 2}]
    assert [step["what"] for step in steps(platform, unwanted)] == ["received", "filtered"]


def test_groups_of_a_fifo_queue_keep_their_order_though_some_fail(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout=SHORT)
    for number in range(12):
        body = {"group": number % 2, "n": number, **({"exit": 1} if number == 2 else {})}
        queue.send(body, MessageGroupId=f"g{number % 2}")
    connect(platform, queue, seen.name, BatchSize=2)
    eventually(lambda: queue.left() == 0)
    for group in (0, 1):
        firsts = list(dict.fromkeys(b["n"] for b in map(json.loads, seen.bodies()) if b["group"] == group))
        assert firsts == list(range(group, 12, 2))
    record = seen.records()[0]
    assert record["attributes"]["MessageGroupId"] == "g0"
    assert "MessageDeduplicationId" in record["attributes"]


def test_a_throttled_batch_is_tried_again_before_anybody_else_could_see_it(
    aws: Aws, platform: Platform, seen: Seen
) -> None:
    queue = TestQueue(aws, "throttled")
    platform.client.put_function_concurrency(FunctionName=seen.name, ReservedConcurrentExecutions=0)
    (sent,) = queue.send("a")
    connect(platform, queue, seen.name)
    eventually(lambda: any(step["what"] == "retried" for step in steps(platform, sent)))
    platform.client.delete_function_concurrency(FunctionName=seen.name)
    eventually(lambda: queue.left() == 0)
    assert seen.records()[0]["attributes"]["ApproximateReceiveCount"] == "1"


def test_no_more_batches_run_at_once_than_the_mapping_allows(
    aws: Aws, platform: Platform, seen: Seen, tmp_path: Path
) -> None:
    queue = TestQueue(aws, "limited")
    go = tmp_path / "go"
    queue.send(*({"wait": str(go), "n": n} for n in range(6)))
    connect(platform, queue, seen.name, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    eventually(lambda: len(seen.calls()) == 2)
    told = platform.ask("GET", f"flow?source={quote(queue.arn, safe='')}")["steps"]
    assert [step["what"] for step in told].count("invoked") == 2  # and none has ended yet
    go.touch()
    eventually(lambda: queue.left() == 0)
    assert len(seen.calls()) == 6


def test_a_disabled_mapping_reads_nothing_until_it_is_enabled(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "paused")
    mapping = connect(platform, queue, seen.name)
    client = platform.client
    assert client.update_event_source_mapping(UUID=mapping, Enabled=False)["State"] == "Disabling"
    settled(platform, mapping, "Disabled")
    queue.send("a")
    assert queue.attributes()["ApproximateNumberOfMessages"] == "1"
    assert client.update_event_source_mapping(UUID=mapping, Enabled=True)["State"] == "Enabling"
    eventually(lambda: seen.bodies() == ["a"])
    assert client.delete_event_source_mapping(UUID=mapping)["State"] == "Deleting"
    eventually(lambda: not client.list_event_source_mappings(EventSourceArn=queue.arn)["EventSourceMappings"])
    queue.send("b")
    assert queue.attributes()["ApproximateNumberOfMessages"] == "1"


def test_a_queue_made_anew_is_read_on(aws: Aws, platform: Platform, seen: Seen) -> None:
    queue = TestQueue(aws, "again")
    mapping = connect(platform, queue, seen.name)
    aws.client("sqs").delete_queue(QueueUrl=queue.url)

    def says() -> bool:
        said: str = platform.client.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        return said.startswith("PROBLEM: ")

    eventually(says)
    TestQueue(aws, queue.name, exactly=True).send("back")
    eventually(lambda: seen.bodies() == ["back"])


def test_what_is_under_way_when_the_platform_is_told_to_end_is_finished_and_deleted(aws: Aws, tmp_path: Path) -> None:
    queue = TestQueue(aws, "ending")
    go = tmp_path / "go"
    (sent,) = queue.send({"wait": str(go)})
    with Platform("--aws-endpoint", aws.endpoint, "--grace-s", "20") as ending:
        seen = Seen(ending, tmp_path, Timeout=20)
        connect(ending, queue, seen.name)
        eventually(seen.calls)
        with ThreadPoolExecutor(1) as aside:
            ended = aside.submit(ending.stop)
            later = queue.send("too late")
            go.touch()
            assert ended.result() == 0
    assert [record["messageId"] for record in seen.records()][:1] == [sent]
    assert queue.left() == len(later) + 1 - len(seen.records())


def test_a_mapping_is_in_use_until_its_batches_are_done(
    aws: Aws, platform: Platform, seen: Seen, tmp_path: Path
) -> None:
    queue, client = TestQueue(aws, "in-use"), platform.client
    go = tmp_path / "go"
    queue.send({"wait": str(go)})
    mapping = connect(platform, queue, seen.name)
    eventually(seen.calls)
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    with pytest.raises(ClientError, match="in use: it is disabling") as caught:
        client.delete_event_source_mapping(UUID=mapping)
    assert caught.value.response["Error"]["Code"] == "ResourceInUseException"
    assert queue.left() == 1
    go.touch()
    settled(platform, mapping, "Disabled")
    assert queue.left() == 0


def test_what_was_gathered_is_handled_though_the_queue_goes_away_meanwhile(
    aws: Aws, platform: Platform, seen: Seen
) -> None:
    queue = TestQueue(aws, "vanishing")
    sent = queue.send("a", "b")
    mapping = connect(platform, queue, seen.name, BatchSize=100, MaximumBatchingWindowInSeconds=300)
    eventually(lambda: all(steps(platform, message) for message in sent))  # they are read, and wait for more
    assert not seen.calls()
    aws.client("sqs").delete_queue(QueueUrl=queue.url)
    eventually(lambda: sorted(seen.bodies()) == ["a", "b"])
    told = eventually(lambda: [s for s in steps(platform, sent[0]) if s["what"] == "answered"])
    assert told[0]["detail"].startswith("not deleted, so it comes again: ")
    platform.client.update_event_source_mapping(UUID=mapping, Enabled=False)
    settled(platform, mapping, "Disabled")
