"""What a mapping may be set to, its defaults by source, and what is refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.events import mapping_settings
from workbench.faas.aws_errors import AwsError

QUEUE = "arn:aws:sqs:us-east-1:123456789012:orders"
FIFO = QUEUE + ".fifo"
STREAM = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


def created(source: str, **given: Any) -> dict[str, Any]:
    return mapping_settings.created({"EventSourceArn": source, "FunctionName": "f", **given})


def test_a_queue_has_its_defaults() -> None:
    assert created(QUEUE) == {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []}
    mapping = mapping_settings.mapping("u", QUEUE, FUNCTION, created(QUEUE))
    assert (mapping.service, mapping.batch_size, mapping.window_s, mapping.max_concurrency) == ("sqs", 10, 0, None)
    assert (mapping.filters, mapping.report_failures, mapping.start) == ((), False, "")


def test_a_stream_has_its_defaults() -> None:
    settings = created(STREAM, StartingPosition="LATEST")
    assert settings == {
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "ParallelizationFactor": 1,
        "BisectBatchOnFunctionError": False,
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "TumblingWindowInSeconds": 0,
        "DestinationConfig": {"OnFailure": {}},
        "StartingPosition": "LATEST",
    }


def test_a_streams_settings_reach_its_poller() -> None:
    settings = created(
        STREAM,
        StartingPosition="AT_TIMESTAMP",
        StartingPositionTimestamp=1e9,
        ParallelizationFactor=3,
        BisectBatchOnFunctionError=True,
        MaximumRecordAgeInSeconds=60,
        MaximumRetryAttempts=0,
        TumblingWindowInSeconds=30,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
        FunctionResponseTypes=["ReportBatchItemFailures"],
        FilterCriteria={"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]},
    )
    mapping = mapping_settings.mapping("u", STREAM, FUNCTION, settings)
    assert (mapping.start, mapping.start_at_s, mapping.parallel, mapping.bisect) == ("AT_TIMESTAMP", 1e9, 3, True)
    assert (mapping.max_age_s, mapping.max_retries, mapping.tumbling_s, mapping.on_failure) == (60, 0, 30, QUEUE)
    assert mapping.report_failures
    assert mapping.filters == ({"data": {"a": [1]}},)


def test_a_time_may_be_text() -> None:
    given = {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "2001-09-09T01:46:40Z"}
    assert created(STREAM, **given)["StartingPositionTimestamp"] == 1e9


@pytest.mark.parametrize(
    ("source", "given", "said"),
    [
        (QUEUE, {"BatchSize": 11}, "batch window in seconds must be greater than 0"),
        (FIFO, {"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1}, "at most 10"),
        (FIFO, {"MaximumBatchingWindowInSeconds": 1}, "not supported for FIFO"),
        (QUEUE, {"StartingPosition": "LATEST"}, "StartingPosition cannot be set when an SQS queue"),
        (QUEUE, {"ParallelizationFactor": 2}, "ParallelizationFactor cannot be set"),
        (QUEUE, {"DestinationConfig": {"OnFailure": {"Destination": STREAM}}}, "DestinationConfig cannot be set"),
        (STREAM, {}, "startingPosition"),
        (STREAM, {"StartingPosition": "AT_TIMESTAMP"}, "go together"),
        (STREAM, {"StartingPosition": "LATEST", "StartingPositionTimestamp": 1.0}, "go together"),
        (STREAM, {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 9e9}, "future"),
        (STREAM, {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "soon"}, "no time"),
        (TABLE, {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1.0}, "Unsupported starting"),
        (STREAM, {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 59}, "at least 60"),
        (STREAM, {"StartingPosition": "LATEST", "ScalingConfig": {"MaximumConcurrency": 2}}, "a stream is the"),
        (STREAM, {"StartingPosition": "LATEST", "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}}, "OnSucc"),
        (QUEUE, {"KMSKeyArn": "arn:aws:kms:x"}, "KMSKeyArn: not supported"),
        (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition"),
        (QUEUE, {"FilterCriteria": {"Filters": [{}]}}, "Invalid filter pattern definition"),
    ],
)
def test_what_does_not_go_together_is_refused(source: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=said) as caught:
        created(source, **given)
    assert caught.value.code == "InvalidParameterValueException"


def test_a_change_leaves_the_rest_and_what_is_empty_is_taken_away() -> None:
    before = created(
        QUEUE,
        BatchSize=5,
        ScalingConfig={"MaximumConcurrency": 7},
        FilterCriteria={"Filters": [{"Pattern": '{"body": ["a"]}'}]},
    )
    after = mapping_settings.changed(before, {"UUID": "u", "FunctionResponseTypes": ["ReportBatchItemFailures"]}, QUEUE)
    assert after == {**before, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
    after = mapping_settings.changed(after, {"ScalingConfig": {}, "FilterCriteria": {"Filters": []}}, QUEUE)
    assert "ScalingConfig" not in after
    assert "FilterCriteria" not in after
    assert mapping_settings.mapping("u", QUEUE, FUNCTION, after).max_concurrency is None
    with pytest.raises(AwsError, match="batch window"):
        mapping_settings.changed(after, {"BatchSize": 100}, QUEUE)
    with pytest.raises(AwsError, match="cannot be set"):
        mapping_settings.changed(after, {"TumblingWindowInSeconds": 1}, QUEUE)
