"""A message as a function gets it, and what its answer says of a batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import SqsModel
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events import queue_records

ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"
RECEIVED: dict[str, Any] = {
    "MessageId": "m-1",
    "ReceiptHandle": "handle",
    "Body": "text",
    "MD5OfBody": "1cb251ec0d568de6a929b520c4aed8d1",
    "MD5OfMessageAttributes": "aa",
    "Attributes": {
        "ApproximateReceiveCount": "1",
        "SentTimestamp": "1545082649183",
        "SenderId": "me",
        "ApproximateFirstReceiveTimestamp": "1545082649185",
        "MessageGroupId": "g",
    },
    "MessageAttributes": {
        "n": {"DataType": "Number", "StringValue": "1"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
    },
}


def test_a_message_becomes_a_record_of_the_event() -> None:
    record = queue_records.record(RECEIVED, ARN)
    event = json.loads(queue_records.event([json.dumps(record).encode()] * 2))
    assert len(SqsModel.model_validate(event).Records) == 2
    assert event["Records"][0] == record
    assert (record["eventSource"], record["eventSourceARN"], record["awsRegion"]) == ("aws:sqs", ARN, "eu-west-1")
    assert record["md5OfMessageAttributes"] == "aa"
    assert record["attributes"] == RECEIVED["Attributes"]
    assert record["messageAttributes"]["raw"]["binaryValue"] == "AA=="
    assert "stringValue" not in record["messageAttributes"]["raw"]
    bare = {"MessageId": "1", "ReceiptHandle": "h", "Body": ""}
    assert queue_records.record(bare, ARN)["messageAttributes"] == {}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"null", ""),
        (b"", ""),
        (b"{}", ""),
        (b'{"batchItemFailures": null}', ""),
        (b'{"batchItemFailures": []}', ""),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}]}', "a"),
        (b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}', "ac"),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', "abc"),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', "abc"),
        (b'{"batchItemFailures": [{"itemidentifier": "a"}]}', "abc"),
        (b'{"batchItemFailures": [{"itemIdentifier": "z"}]}', "abc"),
        (b'{"batchItemFailures": ["a"]}', "abc"),
        (b'{"batchItemFailures": "a"}', "abc"),
        (b'"fine"', "abc"),
        (b"no JSON", "abc"),
    ],
)
def test_an_answer_names_the_messages_that_failed_or_fails_all(answer: bytes, failed: str) -> None:
    found, problem = queue_records.failed(answer, ["a", "b", "c"])
    assert found == set(failed)
    assert bool(problem) is (failed == "abc")


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["a", "batchItemFailures"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["batchItemFailures", "itemIdentifier", "x"]), inner, max_size=2)
        ),
    )
)
def test_whatever_a_function_answers_concerns_messages_of_the_batch_alone(answer: Any) -> None:
    found, _ = queue_records.failed(json.dumps(answer).encode(), ["a", "b"])
    assert found <= {"a", "b"}


@settings(max_examples=50)
@given(st.lists(st.integers(1, 3_000_000), min_size=1, max_size=8))
def test_what_fits_is_an_event_that_may_be_sent(sizes: list[int]) -> None:
    taken: list[int] = []
    for size in sizes:
        if not queue_records.fits(sum(taken), len(taken), size):
            break
        taken.append(size)
    assert len(queue_records.event(b"x" * size for size in taken)) <= queue_records.MAX_EVENT
    if len(taken) < len(sizes):
        assert len(queue_records.event(b"x" * size for size in sizes[: len(taken) + 1])) > queue_records.MAX_EVENT
