"""What follows from asynchronous invocations: configurations, destinations, dead letters; on the real platform."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.functional.faas.aws import REGION, Aws
from tests.functional.faas.platform import CODE, ROLE, Platform, eventually

LAMBDA = f"arn:aws:lambda:{REGION}:000000000000:function:"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with Aws() as running:
        yield running


@pytest.fixture(scope="module")
def platform(aws: Aws) -> Iterator[Platform]:
    with Platform("--retry-scale", "0.002", "--aws-endpoint", aws.endpoint) as running:
        running.warm_up()
        yield running


def configure(platform: Platform, name: str, success: str = "", failure: str = "", **more: Any) -> Any:
    targets = {"OnSuccess": success, "OnFailure": failure}
    wanted = {side: {"Destination": arn} for side, arn in targets.items() if arn}
    return platform.client.put_function_event_invoke_config(FunctionName=name, DestinationConfig=wanted, **more)


def send(platform: Platform, name: str, event: dict[str, Any], **more: Any) -> str:
    answer = platform.client.invoke(
        FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode(), **more
    )
    assert answer["StatusCode"] == 202
    identity: str = answer["ResponseMetadata"]["RequestId"]
    return identity


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = caught.value.response["Error"]["Code"]
    return code


# ---- configurations --------------------------------------------------------------------------------------------------


def test_a_configuration_is_put_changed_listed_and_deleted(platform: Platform, function: str) -> None:
    client = platform.client
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig") as caught:
        client.get_function_event_invoke_config(FunctionName=function)
    assert code_of(caught) == "ResourceNotFoundException"
    put = client.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    assert put["FunctionArn"] == f"{LAMBDA}{function}:$LATEST"
    assert put["MaximumRetryAttempts"] == 0
    assert "MaximumEventAgeInSeconds" not in put
    assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    changed = client.update_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=60)
    assert (changed["MaximumRetryAttempts"], changed["MaximumEventAgeInSeconds"]) == (0, 60)
    assert changed["LastModified"] >= put["LastModified"]
    again = client.put_function_event_invoke_config(FunctionName=function, MaximumEventAgeInSeconds=90)
    assert "MaximumRetryAttempts" not in again, "Put starts afresh"
    version = client.publish_version(FunctionName=function)["Version"]
    client.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    client.put_function_event_invoke_config(FunctionName=function, Qualifier="live", MaximumRetryAttempts=1)
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=function, PaginationConfig={"PageSize": 1}
    )
    listed = [config["FunctionArn"] for answer in pages for config in answer["FunctionEventInvokeConfigs"]]
    assert listed == [f"{LAMBDA}{function}:$LATEST", f"{LAMBDA}{function}:live"]
    client.delete_function_event_invoke_config(FunctionName=function)
    with pytest.raises(ClientError):
        client.get_function_event_invoke_config(FunctionName=function)
    client.delete_alias(FunctionName=function, Name="live")
    left = client.list_function_event_invoke_configs(FunctionName=function)["FunctionEventInvokeConfigs"]
    assert left == [], "an alias takes its configuration along"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "at least one"),
        ({"MaximumRetryAttempts": 3}, "less than or equal to 2"),
        ({"MaximumEventAgeInSeconds": 59}, "greater than or equal to 60"),
        ({"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:s3:::bucket"}}}, "it takes the ARN of"),
        ({"DestinationConfig": {"OnFailure": {"Destination": LAMBDA + "nobody"}}}, "Function not found"),
    ],
)
def test_what_cannot_be_is_refused(platform: Platform, function: str, given: dict[str, Any], says: str) -> None:
    client = platform.client_with(config=Config(parameter_validation=False))  # the platform's checks, not boto3's
    with pytest.raises(ClientError, match=says):
        client.put_function_event_invoke_config(FunctionName=function, **given)


def test_a_function_is_no_destination_of_its_own(platform: Platform, function: str) -> None:
    with pytest.raises(ClientError, match="destination for itself"):
        configure(platform, function, success=LAMBDA + function)


def test_without_aws_beside_it_a_queue_is_refused_with_the_way_out() -> None:
    with Platform() as alone:
        name = alone.create()
        with pytest.raises(ClientError, match="--aws-endpoint") as caught:
            configure(alone, name, failure=f"arn:aws:sqs:{REGION}:123456789012:q")
        assert code_of(caught) == "InvalidParameterValueException"
        dead = {"TargetArn": f"arn:aws:sqs:{REGION}:123456789012:q"}
        with pytest.raises(ClientError, match="--aws-endpoint"):
            alone.client.update_function_configuration(FunctionName=name, DeadLetterConfig=dead)
        with pytest.raises(ClientError, match="it takes the ARN of"):
            alone.create(DeadLetterConfig={"TargetArn": "arn:aws:s3:::bucket"})


# ---- destinations ----------------------------------------------------------------------------------------------------


def test_success_and_failure_reach_their_queues(platform: Platform, aws: Aws, function: str) -> None:
    good, bad = aws.queue("good"), aws.queue("bad")
    configure(platform, function, success=good.arn, failure=bad.arn)
    fine, broken = send(platform, function, {"n": 1}), send(platform, function, {"raise": "no"})
    (record,) = eventually(good.bodies)
    assert record["requestContext"] == {
        "requestId": fine,
        "functionArn": f"{LAMBDA}{function}:$LATEST",
        "condition": "Success",
        "approximateInvokeCount": 1,
    }
    assert record["requestPayload"] == {"n": 1}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert record["responsePayload"]["event"] == {"n": 1}
    (record,) = eventually(bad.bodies)
    assert record["requestContext"]["requestId"] == broken
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no"


def test_a_topic_a_bus_and_a_bucket_are_told_too(platform: Platform, aws: Aws, function: str) -> None:
    heard = aws.queue("heard")
    topic = aws.client("sns").create_topic(Name="told")["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard.arn)
    bus = aws.client("events").create_event_bus(Name="own")["EventBusArn"]
    seen = aws.queue("seen")
    pattern = json.dumps({"source": ["lambda"]})
    aws.client("events").put_rule(Name="all", EventBusName="own", EventPattern=pattern)
    aws.client("events").put_targets(Rule="all", EventBusName="own", Targets=[{"Id": "1", "Arn": seen.arn}])
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="kept")

    configure(platform, function, success=topic, failure="arn:aws:s3:::kept", MaximumRetryAttempts=0)
    fine, broken = send(platform, function, {}), send(platform, function, {"raise": "no"})
    (note,) = eventually(heard.bodies)
    assert json.loads(note["Message"])["requestContext"]["requestId"] == fine
    (entry,) = eventually(lambda: s3.list_objects_v2(Bucket="kept").get("Contents"))
    assert entry["Key"].startswith(f"aws/lambda/async/{function}/")
    record = json.loads(s3.get_object(Bucket="kept", Key=entry["Key"])["Body"].read())
    assert record["requestContext"]["requestId"] == broken

    configure(platform, function, success=bus)
    fine = send(platform, function, {})
    (event,) = eventually(seen.bodies)
    assert event["detail-type"] == "Lambda Function Invocation Result - Success"
    assert event["detail"]["requestContext"]["requestId"] == fine
    assert event["resources"] == [bus, f"{LAMBDA}{function}:$LATEST"]


def test_a_dead_letter_queue_gets_the_event_and_what_went_wrong(platform: Platform, aws: Aws) -> None:
    dead = aws.queue("dead")
    name = platform.create(DeadLetterConfig={"TargetArn": dead.arn})
    try:
        broken = send(platform, name, {"raise": "no"})
        (message,) = eventually(dead.receive)
    finally:
        platform.delete(name)
    assert json.loads(message["Body"]) == {"raise": "no"}
    attributes = {key: (value["DataType"], value["StringValue"]) for key, value in message["MessageAttributes"].items()}
    assert attributes == {
        "RequestID": ("String", broken),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "no"),
    }


def test_a_function_is_told_and_its_alias_decides_the_version(platform: Platform, aws: Aws, function: str) -> None:
    """orders:live -> next:live -> a queue; the configurations are those of the aliases."""
    last = aws.queue("last")
    following = platform.create()
    try:
        for name in (function, following):
            version = platform.client.publish_version(FunctionName=name)["Version"]
            platform.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        configure(platform, function, success=f"{LAMBDA}{following}:live", Qualifier="live")
        configure(platform, following, success=last.arn, Qualifier="live")
        first = send(platform, function, {"n": 7}, Qualifier="live")
        (record,) = eventually(last.bodies)
    finally:
        platform.delete(following)
    assert record["requestContext"]["functionArn"] == f"{LAMBDA}{following}:live"
    assert record["responseContext"]["executedVersion"] == "1"
    inner = record["requestPayload"]
    assert inner["requestContext"]["requestId"] == first
    assert inner["requestContext"]["functionArn"] == f"{LAMBDA}{function}:live"
    assert inner["responsePayload"]["event"] == {"n": 7}


def test_a_closed_function_hands_its_events_on(platform: Platform, aws: Aws, function: str) -> None:
    closed = aws.queue("closed")
    configure(platform, function, failure=closed.arn)
    platform.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    send(platform, function, {})
    (record,) = eventually(closed.bodies)
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"


def test_a_destination_that_appears_late_still_gets_its_record(platform: Platform, aws: Aws, function: str) -> None:
    configure(platform, function, success=f"arn:aws:sqs:{REGION}:123456789012:late")
    send(platform, function, {})
    eventually(lambda: platform.ask("GET", "health")["queued_events"] == 1)
    late = aws.queue("late")
    assert len(eventually(late.bodies)) == 1
    eventually(lambda: platform.ask("GET", "health")["queued_events"] == 0)


def test_a_configuration_outlives_the_platform(tmp_path: Any, aws: Aws) -> None:
    state = ("--state", str(tmp_path / "state"), "--aws-endpoint", aws.endpoint)
    with Platform(*state) as first:
        first.client.create_function(
            FunctionName="kept", Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": CODE}
        )
        configure(first, "kept", failure=aws.queue("kept").arn, MaximumRetryAttempts=1)
        wanted = first.client.get_function_event_invoke_config(FunctionName="kept")
    with Platform(*state) as second:
        found = second.client.get_function_event_invoke_config(FunctionName="kept")
        assert {**found, "ResponseMetadata": 0} == {**wanted, "ResponseMetadata": 0}
        second.client.delete_function(FunctionName="kept")
        second.client.create_function(
            FunctionName="kept", Runtime="python3.11", Handler="app.handler", Role=ROLE, Code={"ZipFile": CODE}
        )
        with pytest.raises(ClientError):
            second.client.get_function_event_invoke_config(FunctionName="kept")
