"""What a firing sends: AWS's scheduled event, a constant input, context attributes, and the call for each target."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import EventBridgeModel

from workbench.events.schedule.orders import Call, NotSent, Order, call_of, order
from workbench.events.schedule.schedules import Schedule, Target, from_rule, from_schedule

WHEN = datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
RULE_ARN = "arn:aws:events:us-east-1:123456789012:rule/nine"
SCHEDULE_ARN = "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/s"


def of_rule(**target: Any) -> Order:
    rule = {"Arn": RULE_ARN, "Name": "nine", "ScheduleExpression": "rate(1 day)"}
    return order(from_rule(rule, {"Id": "1", "Arn": FUNCTION, **target}), WHEN, "an-id", 5.0)


def of_schedule(arn: str = FUNCTION, **target: Any) -> Order:
    made = datetime(2026, 1, 1, tzinfo=UTC)
    found = {
        "Arn": SCHEDULE_ARN,
        "ScheduleExpression": "rate(1 day)",
        "CreationDate": made,
        "LastModificationDate": made,
        "Target": {"Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/s", **target},
    }
    return order(from_schedule(found), WHEN, "an-id", 5.0)


def test_the_event_of_a_rule_is_aws_s() -> None:
    event = json.loads(of_rule().body)
    EventBridgeModel.model_validate(event)
    assert event == {
        "version": "0",
        "id": "an-id",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-03-29T07:00:00Z",
        "region": "us-east-1",
        "resources": [RULE_ARN],
        "detail": {},
    }


def test_scheduler_s_own_notification_differs_in_its_source_and_detail() -> None:
    event = json.loads(of_schedule().body)
    EventBridgeModel.model_validate(event)
    assert (event["source"], event["detail"], event["resources"]) == ("aws.scheduler", "{}", [SCHEDULE_ARN])
    assert event["region"] == "eu-west-1"


def test_input_is_sent_as_it_is_and_input_path_picks() -> None:
    assert of_rule(Input='{"a": "<aws.scheduler.scheduled-time>"}').body == '{"a": "<aws.scheduler.scheduled-time>"}'
    assert json.loads(of_rule(InputPath="$.time").body) == "2026-03-29T07:00:00Z"
    assert json.loads(of_rule(InputPath="$.detail").body) == {}
    assert json.loads(of_rule(InputPath="$").body)["id"] == "an-id"
    with pytest.raises(NotSent, match=r"\$\.nothing names nothing"):
        call_of(of_rule(InputPath="$.nothing"))
    with pytest.raises(NotSent, match="InputTransformer"):
        call_of(of_rule(InputTransformer={"InputTemplate": "<a>"}))


def test_context_attributes_are_filled_in_at_each_attempt() -> None:
    words = ["scheduled-time", "schedule-arn", "execution-id", "attempt-number", "other"]
    wanted = of_schedule(Input=json.dumps([f"<aws.scheduler.{word}>" for word in words]))
    again = replace(wanted, attempts=2)
    said = json.loads(call_of(again, "abc").parameters["Payload"])
    assert said == ["2026-03-29T07:00:00Z", SCHEDULE_ARN, "abc", "3", "<aws.scheduler.other>"]


def test_each_target_has_its_call() -> None:
    assert call_of(of_schedule(Input="{}")) == Call(
        "lambda", "invoke", {"FunctionName": FUNCTION, "InvocationType": "Event", "Payload": "{}"}
    )
    fifo = of_schedule(QUEUE, Input="text", SqsParameters={"MessageGroupId": "g"})
    assert call_of(fifo) == Call(
        "sqs", "send_message", {"QueueUrl": QUEUE, "MessageBody": "text", "MessageGroupId": "g"}
    )
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    assert call_of(of_schedule(topic, Input="text")) == Call("sns", "publish", {"TopicArn": topic, "Message": "text"})
    universal = of_schedule("arn:aws:scheduler:::aws-sdk:dynamodb:putItem", Input='{"TableName": "t"}')
    assert call_of(universal) == Call("dynamodb", "put_item", {"TableName": "t"})


@pytest.mark.parametrize(
    ("arn", "given", "why"),
    [
        ("arn:aws:ecs:us-east-1:123456789012:cluster/c", "{}", "none of these"),
        ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "text", "not JSON"),
        ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "[]", "parameters"),
        ("arn:aws:scheduler:::aws-sdk:lambda:invoke", "{}", "parameters"),
        ("nonsense", "{}", "none of these"),
    ],
)
def test_what_cannot_be_sent_says_why(arn: str, given: str, why: str) -> None:
    with pytest.raises(NotSent, match=why):
        call_of(of_schedule(arn, Input=given))


def test_limits_are_aws_s_unless_given() -> None:
    assert (of_schedule().retries, of_schedule().max_age_s) == (185, 86400)
    few = of_schedule(RetryPolicy={"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
    assert (few.retries, few.max_age_s) == (0, 60)
    assert of_schedule(DeadLetterConfig={"Arn": QUEUE}).dead_letter == QUEUE


def test_a_schedule_without_a_window_or_a_zone() -> None:
    plain = Schedule("s", SCHEDULE_ARN, "rate(1 day)", Target(FUNCTION), "v")
    assert (plain.zone, plain.enabled, plain.group_and_name) == ("UTC", True, ("default", "s"))
