"""Notifications of topics and events of buses invoke functions, in the shapes that SNS and EventBridge give them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    SnsModel,
)
from botocore.exceptions import ClientError

from tests.functional.events.embedded.sink import Sink, client
from tests.functional.faas.platform import Platform


@pytest.fixture
def topic(platform: Platform, sink: Sink) -> str:
    sns = client(platform, "sns")
    arn: str = sns.create_topic(Name=f"of-{sink.name}")["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="lambda", Endpoint=sink.arn)
    return arn


def rule(platform: Platform, sink: Sink, pattern: dict[str, Any], **target: Any) -> str:
    events = client(platform, "events")
    name = f"of-{sink.name}"
    arn: str = events.put_rule(Name=name, EventPattern=json.dumps(pattern))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": sink.arn, **target}])
    return arn


def put(platform: Platform, source: str, detail: dict[str, Any]) -> str:
    entry = {"Source": source, "DetailType": "Order placed", "Detail": json.dumps(detail), "Resources": ["arn:x"]}
    identity: str = client(platform, "events").put_events(Entries=[entry])["Entries"][0]["EventId"]
    return identity


def test_a_notification_has_the_shape_of_snss(platform: Platform, sink: Sink, topic: str) -> None:
    attributes = {
        "kind": {"DataType": "String", "StringValue": "order"},
        "n": {"DataType": "Number", "StringValue": "7"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    published = client(platform, "sns").publish(
        TopicArn=topic, Message="hello ü", Subject="news", MessageAttributes=attributes
    )
    (event,) = sink.events(1)
    SnsModel.model_validate(event)
    record = event["Records"][0]
    said = record["Sns"]
    assert record["EventSubscriptionArn"].startswith(topic + ":")
    assert (said["Message"], said["Subject"], said["TopicArn"]) == ("hello ü", "news", topic)
    assert said["MessageId"] == published["MessageId"]
    assert said["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "order"},
        "n": {"Type": "Number", "Value": "7"},
        "raw": {"Type": "Binary", "Value": "AP8="},
    }


def test_a_subscriptions_filter_and_its_own_message_hold(platform: Platform, sink: Sink, topic: str) -> None:
    sns = client(platform, "sns")
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"],
        AttributeName="FilterPolicy",
        AttributeValue='{"kind": ["order"]}',
    )
    for kind in ("offer", "order"):
        sns.publish(
            TopicArn=topic,
            Message=json.dumps({"default": "for others", "lambda": f"for functions: {kind}"}),
            MessageStructure="json",
            MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}},
        )
    (event,) = sink.events(1)
    assert event["Records"][0]["Sns"]["Message"] == "for functions: order"
    assert event["Records"][0]["Sns"]["Subject"] is None


def test_an_event_for_nobody_is_dropped_and_that_is_told(platform: Platform) -> None:
    sns = client(platform, "sns")
    topic = sns.create_topic(Name="for-nobody")["TopicArn"]
    for account in ("000000000000", "123456789012"):
        endpoint = f"arn:aws:lambda:us-east-1:{account}:function:nobody"
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=endpoint)
    identity = sns.publish(TopicArn=topic, Message="hello")["MessageId"]
    told = [(step["what"], step["function"]) for step in platform.ask("GET", f"flow?id={identity}")["steps"]]
    assert told == [
        ("dropped", "arn:aws:lambda:us-east-1:000000000000:function:nobody"),
        ("dropped", "arn:aws:lambda:us-east-1:123456789012:function:nobody"),
    ]


def test_an_object_comes_by_way_of_a_topic_too(platform: Platform, sink: Sink, topic: str) -> None:
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket="by-topic")
    wanted = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="by-topic", NotificationConfiguration=wanted)
    s3.put_object(Bucket="by-topic", Key="k", Body=b"")
    messages = [json.loads(event["Records"][0]["Sns"]["Message"]) for event in sink.events(2)]
    (about,) = [m["Records"][0]["s3"]["object"]["key"] for m in messages if "Records" in m]  # the other is S3's test
    assert about == "k"


def test_an_event_goes_to_the_rule_that_matches_it(platform: Platform, sink: Sink) -> None:
    arn = rule(platform, sink, {"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}})
    put(platform, "shop", {"total": 5})
    put(platform, "elsewhere", {"total": 50})
    identity = put(platform, "shop", {"total": 50})
    (event,) = sink.events(1)
    EventBridgeModel.model_validate(event)
    assert set(event) == {
        *("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"),
    }
    assert (event["id"], event["detail"], event["resources"]) == (identity, {"total": 50}, ["arn:x"])
    accepted = platform.ask("GET", f"flow?id={identity}")["steps"][0]
    assert (accepted["what"], accepted["source"]) == ("accepted", arn)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"Input": '{"fixed": true}'}, {"fixed": True}),
        ({"InputPath": "$.detail"}, {"sku": "A1"}),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"sku": "$.detail.sku"},
                    "InputTemplate": '{"text": "sold <sku>", "sku": <sku>}',
                }
            },
            {"text": "sold A1", "sku": "A1"},
        ),
    ],
)
def test_a_target_gets_what_it_is_set_to(platform: Platform, sink: Sink, target: dict[str, Any], expected: Any) -> None:
    rule(platform, sink, {"source": [f"shop-{sink.name}"]}, **target)
    put(platform, f"shop-{sink.name}", {"sku": "A1"})
    assert sink.events(1) == [expected]


def test_a_disabled_rule_and_a_timed_one_match_no_event(platform: Platform, sink: Sink) -> None:
    events = client(platform, "events")
    rule(platform, sink, {"source": ["shop"]})
    events.disable_rule(Name=f"of-{sink.name}")
    events.put_rule(Name="timed", ScheduleExpression="rate(1 day)")
    events.put_targets(Rule="timed", Targets=[{"Id": "1", "Arn": sink.arn}])
    put(platform, "shop", {"first": True})
    events.enable_rule(Name=f"of-{sink.name}")
    put(platform, "shop", {"first": False})
    assert [event["detail"] for event in sink.events(1)] == [{"first": False}]


def test_an_object_comes_by_way_of_the_bus_too(platform: Platform, sink: Sink) -> None:
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket="by-bus")
    s3.put_bucket_notification_configuration(
        Bucket="by-bus", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    rule(platform, sink, {"source": ["aws.s3"], "detail": {"bucket": {"name": ["by-bus"]}}})
    s3.put_object(Bucket="by-bus", Key="a b", Body=b"123")
    s3.delete_object(Bucket="by-bus", Key="a b")
    events = sorted(sink.events(2), key=lambda event: str(event["detail-type"]))
    for event in events:
        S3EventNotificationEventBridgeModel.model_validate(event)
    assert [(e["detail-type"], e["detail"]["reason"]) for e in events] == [
        ("Object Created", "PutObject"),
        ("Object Deleted", "DeleteObject"),
    ]
    assert events[0]["detail"]["object"]["key"] == "a b"


def test_a_receipt_rule_for_mail_names_a_function_of_the_platform(platform: Platform, sink: Sink) -> None:
    ses = client(platform, "ses")
    ses.create_receipt_rule_set(RuleSetName="rules")

    def receipt(arn: str) -> dict[str, Any]:
        return {"Name": "r", "Recipients": ["a@example.com"], "Actions": [{"LambdaAction": {"FunctionArn": arn}}]}

    with pytest.raises(ClientError, match="Invalid Lambda function"):
        ses.create_receipt_rule(RuleSetName="rules", Rule=receipt(sink.arn + "-gone"))
    ses.create_receipt_rule(RuleSetName="rules", Rule=receipt(sink.arn))
