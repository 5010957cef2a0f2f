"""Event source mappings through plain boto3: made, shown, listed, changed, deleted, refused, and kept."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.events.queues import TestQueue, settled
from tests.functional.faas.aws import REGION, Aws
from tests.functional.faas.platform import Platform, eventually

ARN = f"arn:aws:lambda:{REGION}:000000000000"
QUEUES = f"arn:aws:sqs:{REGION}:123456789012"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as running:
        yield running


@pytest.fixture(scope="module")
def platform(aws: Aws) -> Iterator[Platform]:
    with Platform("--aws-endpoint", aws.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def queue(aws: Aws) -> TestQueue:
    return TestQueue(aws, "orders")


def test_a_mapping_lives_from_creating_to_deleting(platform: Platform, queue: TestQueue) -> None:
    client, name = platform.client, platform.create()
    made = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=name, Tags={"team": "a"})
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 202
    uuid = made["UUID"]
    assert made.pop("LastModified").timestamp() > 0
    assert made == {
        "UUID": uuid,
        "EventSourceArn": queue.arn,
        "EventSourceMappingArn": f"{ARN}:event-source-mapping:{uuid}",
        "FunctionArn": f"{ARN}:function:{name}",
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    assert settled(platform, uuid)["BatchSize"] == 10
    changed = client.update_event_source_mapping(UUID=uuid, BatchSize=5, ScalingConfig={"MaximumConcurrency": 2})
    assert (changed["State"], changed["BatchSize"], changed["ResponseMetadata"]["HTTPStatusCode"]) == (
        "Updating",
        5,
        202,
    )
    assert settled(platform, uuid)["ScalingConfig"] == {"MaximumConcurrency": 2}
    tagged = made["EventSourceMappingArn"]
    client.tag_resource(Resource=tagged, Tags={"cost": "1"})
    client.untag_resource(Resource=tagged, TagKeys=["team"])
    assert client.list_tags(Resource=tagged)["Tags"] == {"cost": "1"}
    client.tag_resource(Resource=f"{ARN}:function:{name}", Tags={"of": "the function"})
    assert client.list_tags(Resource=f"{ARN}:function:{name}")["Tags"] == {"of": "the function"}
    assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"

    def gone() -> bool:
        try:
            return bool(client.get_event_source_mapping(UUID=uuid)["State"] != "Deleting")
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "ResourceNotFoundException")

    eventually(gone)
    with pytest.raises(ClientError, match="does not exist") as caught:
        client.update_event_source_mapping(UUID=uuid)
    assert code_of(caught) == "ResourceNotFoundException"


def test_mappings_are_listed_by_source_by_function_and_in_pages(aws: Aws, platform: Platform) -> None:
    client, one, other = platform.client, platform.create(), platform.create()
    client.create_alias(
        FunctionName=one, Name="live", FunctionVersion=client.publish_version(FunctionName=one)["Version"]
    )
    queues = [TestQueue(aws, f"listed-{n}") for n in range(3)]
    made = {
        client.create_event_source_mapping(EventSourceArn=q.arn, FunctionName=f, Enabled=False)["UUID"]: (q.arn, f)
        for q in queues
        for f in (one, other, f"{one}:live")
    }

    def listed(**by: Any) -> set[str]:
        pages = client.get_paginator("list_event_source_mappings").paginate(**by)
        return {mapping["UUID"] for answer in pages for mapping in answer["EventSourceMappings"]}

    assert listed(EventSourceArn=queues[0].arn) == {u for u, (q, _) in made.items() if q == queues[0].arn}
    assert listed(FunctionName=one) == {u for u, (_, f) in made.items() if f == one}
    assert listed(FunctionName=f"{ARN}:function:{one}:live") == {u for u, (_, f) in made.items() if f == f"{one}:live"}
    assert len(listed(FunctionName=one, EventSourceArn=queues[1].arn)) == 1
    assert set(made) <= listed(PaginationConfig={"PageSize": 2})
    first = client.list_event_source_mappings(MaxItems=2)
    assert len(first["EventSourceMappings"]) == 2
    assert first["NextMarker"]
    uuid = next(iter(made))
    assert settled(platform, uuid, "Disabled")["FunctionArn"].endswith(one)
    for uuid in made:
        client.delete_event_source_mapping(UUID=uuid)


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_the_same_source_and_function_are_joined_once(platform: Platform, queue: TestQueue) -> None:
    client, name, other = platform.client, platform.create(), platform.create()
    made = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=name)["UUID"]
    with pytest.raises(ClientError, match=f"already exists. Please update or delete .* UUID {made}") as caught:
        client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=f"{ARN}:function:{name}")
    assert (code_of(caught), caught.value.response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ResourceConflictException",
        409,
    )
    second = client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=other)["UUID"]
    settled(platform, second)
    with pytest.raises(ClientError, match="already exists"):
        client.update_event_source_mapping(UUID=second, FunctionName=name)
    for uuid in (made, second):
        client.delete_event_source_mapping(UUID=uuid)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", "Function not found: .*nobody"),
        ({"EventSourceArn": None}, "InvalidParameterValueException", "EventSourceArn is missing"),
        ({"EventSourceArn": f"{QUEUES}:none"}, "InvalidParameterValueException", "NonExistentQueue.*Create the queue"),
        ({"EventSourceArn": "arn:aws:sns:us-east-1:123456789012:t"}, "InvalidParameterValueException", "Unrecognized"),
        ({"EventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:orders"}, "InvalidParameterValueException", "region"),
        (
            {"EventSourceArn": "arn:aws:sqs:us-east-1:111111111111:NAME"},
            "InvalidParameterValueException",
            "give this ARN",
        ),
        ({"BatchSize": 100}, "InvalidParameterValueException", "batch window in seconds"),
        ({"BatchSize": 10_001}, "ValidationException", "atchSize"),
        ({"ScalingConfig": {"MaximumConcurrency": 1}}, "ValidationException", "aximumConcurrency"),
        (
            {"FilterCriteria": {"Filters": [{"Pattern": '{"body": "a"}'}]}},
            "InvalidParameterValueException",
            "Invalid filter pattern definition. Filter 1: .*array",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(
    platform: Platform, queue: TestQueue, given: dict[str, Any], code: str, said: str
) -> None:
    values = {"EventSourceArn": queue.arn, "FunctionName": "f", **given}
    if values["EventSourceArn"]:
        values["EventSourceArn"] = values["EventSourceArn"].replace("NAME", queue.name)
    if values["FunctionName"] == "f":
        values["FunctionName"] = platform.create()
    client = platform.client_with(config=Config(parameter_validation=False))  # the platform's own words
    before = {mapping["UUID"] for mapping in client.list_event_source_mappings()["EventSourceMappings"]}
    with pytest.raises(ClientError, match=said) as caught:
        client.create_event_source_mapping(**{name: value for name, value in values.items() if value is not None})
    assert code_of(caught) == code
    assert {m["UUID"] for m in client.list_event_source_mappings()["EventSourceMappings"]} <= before


def test_a_function_that_may_run_longer_than_its_messages_are_hidden_is_refused(aws: Aws, platform: Platform) -> None:
    short = TestQueue(aws, "short", VisibilityTimeout="5")
    with pytest.raises(ClientError, match="visibility timeout: 5 seconds is less than Function timeout: 20 seconds"):
        platform.client.create_event_source_mapping(EventSourceArn=short.arn, FunctionName=platform.create())


def test_mappings_survive_the_platform(aws: Aws, tmp_path: Path) -> None:
    # A message sent at once may be given to the killed one, which waited for it: it is seen again after this time.
    queue, paused = TestQueue(aws, "kept", VisibilityTimeout="2"), TestQueue(aws, "kept-paused")
    arguments = ("--state", str(tmp_path / "state"), "--aws-endpoint", aws.endpoint)
    with Platform(*arguments) as first:
        name = first.create(Timeout=2)
        kept = first.client.create_event_source_mapping(
            EventSourceArn=queue.arn, FunctionName=name, BatchSize=3, Tags={"a": "b"}
        )
        off = first.client.create_event_source_mapping(EventSourceArn=paused.arn, FunctionName=name, Enabled=False)
        gone = first.client.create_event_source_mapping(EventSourceArn=paused.arn, FunctionName=first.create())
        first.client.delete_event_source_mapping(UUID=gone["UUID"])
        first.stop(signal.SIGKILL)
    with Platform(*arguments) as second:
        listed = second.client.list_event_source_mappings()["EventSourceMappings"]
        states = {mapping["UUID"]: mapping["State"] for mapping in listed}
        assert states == {kept["UUID"]: "Enabled", off["UUID"]: "Disabled"}
        again = second.client.get_event_source_mapping(UUID=kept["UUID"])
        for key in ("BatchSize", "FunctionArn", "EventSourceArn", "LastModified", "EventSourceMappingArn"):
            assert again[key] == kept[key]
        assert second.client.list_tags(Resource=kept["EventSourceMappingArn"])["Tags"] == {"a": "b"}
        queue.send("{}")
        eventually(lambda: queue.left() == 0)
