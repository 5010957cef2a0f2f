"""The words in which destinations and dead-letter queues are told how an event ended."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.faas.asynchronous import destinations as to
from workbench.faas.asynchronous.destinations import Attempt, Rules
from workbench.faas.asynchronous.event_store import StoredEvent, StoredMessage
from workbench.faas.aws_errors import AwsError

ARN = "arn:aws:lambda:us-east-1:000000000000:function:orders"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
NOW = 1573755365.568
EVENT = StoredEvent("e4b46cbf", "orders", b'{"ORDER_IDS": ["a", "\xc3\xa9"]}', "", NOW - 200, NOW, attempts=3)
FAILED = Attempt("$LATEST", '{"errorMessage": "Process exited", "errorType": "Runtime.ExitError"}', "Unhandled")


def test_a_failed_event_has_the_record_that_aws_documents() -> None:
    assert to.record(EVENT, ARN, FAILED, to.RETRIES_EXHAUSTED, NOW) == {
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"ORDER_IDS": ["a", "é"]},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "Process exited", "errorType": "Runtime.ExitError"},
    }


def test_a_success_counts_its_own_try_and_names_the_qualifier_and_version() -> None:
    event = StoredEvent("id", "orders", b"{}", "", NOW, NOW, attempts=1, qualifier="live")
    record = to.record(event, f"{ARN}:live", Attempt("7", "null"), to.SUCCESS, NOW)
    context, answer = record["requestContext"], record["responseContext"]
    assert isinstance(context, dict)
    assert context["approximateInvokeCount"] == 2
    assert context["functionArn"] == f"{ARN}:live"
    assert answer == {"statusCode": 200, "executedVersion": "7"}
    assert record["responsePayload"] is None


def test_an_event_that_never_ran_has_no_response() -> None:
    record = to.record(EVENT, ARN, None, to.EVENT_AGE_EXCEEDED, NOW)
    assert set(record) == {"version", "timestamp", "requestContext", "requestPayload"}


def test_a_dead_letter_is_the_event_itself_with_three_attributes() -> None:
    (message,) = to.consequences(EVENT, Rules(ARN, dead_letter=QUEUE), FAILED, to.RETRIES_EXHAUSTED, NOW)
    assert message.body == EVENT.payload
    assert message.kind == "dead-letter"
    assert json.loads(message.attributes) == {
        "RequestID": "e4b46cbf",
        "ErrorCode": "200",
        "ErrorMessage": "Process exited",
    }
    assert message.expires_s == NOW + 21600


@given(text=st.text(min_size=1))
def test_an_error_message_is_cut_at_a_kilobyte_and_never_empty(text: str) -> None:
    attempt = Attempt("$LATEST", json.dumps({"errorMessage": text * 200}), "Unhandled")
    found = to.dead_letter_attributes(EVENT, attempt, to.RETRIES_EXHAUSTED)["ErrorMessage"]
    assert 0 < len(found.encode()) <= 1024
    assert (text * 200).encode(errors="replace").startswith(found.encode())


@given(payload=st.binary(max_size=60), answer=st.text(max_size=60))
def test_whatever_was_sent_and_answered_the_record_is_json(payload: bytes, answer: str) -> None:
    event = StoredEvent("id", "orders", payload, "", NOW, NOW)
    rules = Rules(ARN, on_success=QUEUE)
    (message,) = to.consequences(event, rules, Attempt("$LATEST", answer), to.SUCCESS, NOW)
    assert json.loads(message.body)["version"] == "1.0"


@pytest.mark.parametrize("depth", [10, 480, 495, 960, 980, 990, 5000])
def test_an_answer_of_any_depth_can_be_told(depth: int) -> None:
    attempt = Attempt("$LATEST", "[" * depth + "]" * depth)
    (message,) = to.consequences(EVENT, Rules(ARN, on_success=QUEUE), attempt, to.SUCCESS, NOW)
    assert b"e4b46cbf" in message.body


def test_half_a_surrogate_pair_can_be_told() -> None:
    attempt = Attempt("$LATEST", '"\\ud83d"')
    (message,) = to.consequences(EVENT, Rules(ARN, on_success=QUEUE), attempt, to.SUCCESS, NOW)
    assert json.loads(message.body)["responsePayload"] == "\ud83d"


def test_the_condition_decides_who_is_told() -> None:
    rules = Rules(ARN, on_success="arn:aws:sns:us-east-1:1:good", on_failure="arn:aws:sns:us-east-1:1:bad")
    assert [m.target[-4:] for m in to.consequences(EVENT, rules, FAILED, to.SUCCESS, NOW)] == ["good"]
    assert [m.target[-3:] for m in to.consequences(EVENT, rules, None, to.EVENT_AGE_EXCEEDED, NOW)] == ["bad"]
    assert to.consequences(EVENT, Rules(ARN), FAILED, to.RETRIES_EXHAUSTED, NOW) == []


def test_a_bucket_gets_the_key_that_aws_documents() -> None:
    message = StoredMessage("6f4e", "orders", "arn:aws:s3:::b", "failure", b"{}", "", NOW, NOW)
    assert to.s3_key(message) == "aws/lambda/async/orders/2019/11/14/2019-11-14T18.16.05-6f4e"


@pytest.mark.parametrize(
    ("arn", "allowed", "endpoint", "says"),
    [
        ("arn:aws:dynamodb:us-east-1:000000000000:table/t", to.SERVICES, "http://x", "it takes the ARN of"),
        ("arn:aws:s3:::bucket", ("sqs", "sns"), "http://x", "an SQS queue, an SNS topic"),
        ("kafka://topic", to.SERVICES, "http://x", "it takes the ARN of"),
        ("arn:aws:sqs:us-east-1:000000000000:q.fifo", to.SERVICES, "http://x", "FIFO"),
        ("arn:aws:sqs:eu-west-1:000000000000:q", to.SERVICES, "http://x", "another region"),
        ("arn:aws:sqs:us-east-1:000000000000:q", to.SERVICES, "", "--aws-endpoint"),
        ("arn:aws:lambda:us-east-1:000000000000:layer:a:b:c", to.SERVICES, "", "it takes the ARN of"),
    ],
)
def test_what_could_never_arrive_is_refused(arn: str, allowed: tuple[str, ...], endpoint: str, says: str) -> None:
    with pytest.raises(AwsError, match=says) as caught:
        to.check_target(arn, what="OnFailure destination", allowed=allowed, region="us-east-1", endpoint=endpoint)
    assert caught.value.code == "InvalidParameterValueException"


@pytest.mark.parametrize("arn", [ARN, f"{ARN}:live", QUEUE, "arn:aws:s3:::bucket"])
def test_what_can_arrive_is_taken(arn: str) -> None:
    to.check_target(arn, what="OnFailure destination", allowed=to.SERVICES, region="us-east-1", endpoint="http://x")


def test_a_record_too_large_for_a_function_is_no_event() -> None:
    message = StoredMessage("id", "orders", ARN, "success", b"x" * (2**20 + 1), "", NOW, NOW)
    with pytest.raises(AwsError, match="1 MB"):
        to.as_event(message, 1)
