"""What a function's answer means, and what it is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.events.streams.answers import outcome_of, payload_of
from workbench.events.streams.records import Batch, Failed, Record, Took, Window

RECORDS = tuple(Record(str(n), "k", 0, json.dumps({"n": n})) for n in (8, 9, 10))
BATCH = Batch(1, 0, RECORDS)
ARN = "arn:aws:kinesis:us-east-1:123456789012:stream/s"


def items(*sequences: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in sequences]}


@pytest.mark.parametrize("answer", [None, "", "fine", {}, [], items(), {"batchItemFailures": None}, {"x": 1}])
def test_nothing_reported_is_a_success(answer: Any) -> None:
    assert outcome_of(BATCH, json.dumps(answer).encode(), None, report=True) == Took()


def test_the_lowest_record_counts_whatever_the_order() -> None:
    assert outcome_of(BATCH, json.dumps(items("10", "9")).encode(), None, report=True) == Failed("9", "{}")


@pytest.mark.parametrize(
    "answer", [items(""), items(None), items("11"), items("10", "x"), {"batchItemFailures": [{"id": "9"}]},
               {"batchItemFailures": "9"}]
)  # fmt: skip
def test_a_report_that_makes_no_sense_fails_the_batch(answer: Any) -> None:
    found = outcome_of(BATCH, json.dumps(answer).encode(), None, report=True)
    assert isinstance(found, Failed)
    assert found.first is None


def test_a_report_that_was_not_agreed_on_is_ignored_and_an_error_is_one() -> None:
    assert outcome_of(BATCH, json.dumps(items("9")).encode(), None, report=False) == Took()
    assert outcome_of(BATCH, b'{"errorMessage":"no"}', "Unhandled", report=True) == Failed()


def test_in_a_window_an_answer_has_a_state() -> None:
    batch = Batch(1, 0, RECORDS, window=Window(0, 60))
    assert outcome_of(batch, b'{"state":{"a":1}}', None, report=False) == Took('{"a": 1}')
    for answer in (b"null", b"{}", b'{"state":3}'):
        assert outcome_of(batch, answer, None, report=False) == Failed()
    end = Batch(1, 0, (), window=Window(0, 60, final=True))
    assert outcome_of(end, b"null", None, report=False) == Took()


def test_the_event_of_a_batch() -> None:
    assert json.loads(payload_of(BATCH, "shardId-1", ARN)) == {"Records": [{"n": 8}, {"n": 9}, {"n": 10}]}


def test_the_event_of_a_window() -> None:
    batch = Batch(1, 0, RECORDS[:1], window=Window(1607497440, 1607497560, '{"1": 282}'))
    assert json.loads(payload_of(batch, "shardId-1", ARN)) == {
        "Records": [{"n": 8}],
        "window": {"start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z"},
        "state": {"1": 282},
        "shardId": "shardId-1",
        "eventSourceARN": ARN,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }
