"""What lab 06 reads out of the desk's log, of the platform's steps, and of what was put aside."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.unit.test_event_flow import PUSHED, QUEUE, TWICE, step
from workbench.findings.flowing import tries
from workbench.labs import again, behind, largest, runs_of, senders_who_wait, side_by_side, times, traced
from workbench.labs.order_ways import given, last_error, settled
from workbench.labs.ways import bad_order, read_journal, sender_is_told, way_of_failure
from workbench.records import Measurement, Provenance


def line(way: str, *orders: str, began: float = 0.0) -> dict[str, Any]:
    return {"way": way, "orders": list(orders), "began": began, "ended": began + 0.1}


def test_the_journal_is_what_the_desk_printed_and_nothing_else() -> None:
    log = f"START RequestId: 1\n{json.dumps(line('sqs', 'tea'))}\nsomething else\nREPORT\n"
    assert read_journal(log) == [line("sqs", "tea")]


@pytest.mark.parametrize(("count", "word"), [(0, "never"), (1, "once"), (3, "three times"), (7, "until it works")])
def test_runs_are_counted_in_words(count: int, word: str) -> None:
    assert times(count) == word


def test_runs_of_an_order_are_those_it_was_in() -> None:
    lines = [line("sqs", "tea", "cake"), line("sqs", "cake"), line("direct", "cakes")]
    assert (runs_of(lines, "cake"), runs_of(lines, "soup")) == (2, 0)
    assert largest([*lines, line("http", "x"), line("ses", "y")]) == {"SQS": 2, "direct": 1, "HTTP": 1, "mail": 1}


def test_how_many_came_again() -> None:
    assert again(tries(TWICE)) == "only the bad one"
    assert again(tries(TWICE[:5])) == "none"
    both = [*TWICE[:3], step(1.5, "failed", "a", "b", request="r1"), *TWICE[:2]]
    both += [step(3.2, "invoked", "a", "b", request="r2"), step(3.3, "failed", "a", "b", request="r2")]
    assert again(tries(both)) == "all ten"


def test_what_became_of_those_behind() -> None:
    bad = [line("kinesis", "bad", began=1.0), line("kinesis", "bad", began=2.0)]
    assert behind([*bad, line("kinesis", "late", began=3.0)], "bad", "late") == "they wait for it"
    assert behind([*bad, line("kinesis", "late", began=1.5)], "bad", "late") == "they overtake it"
    assert behind(bad, "bad", "late") == "they are lost"


@pytest.mark.parametrize(
    ("body", "way"),
    [
        ("bad-SQS", "SQS"),
        ('{"KinesisBatchInfo": {}}', "Kinesis"),
        ('{"DDBStreamBatchInfo": {}}', "DynamoDB"),
        ('{"requestPayload": {"Records": [{"eventSource": "aws:s3"}]}}', "S3"),
        ('{"requestPayload": {"Records": [{"eventSource": "aws:ses"}]}}', "mail"),
        ('{"requestPayload": {"detail-type": "Scheduled Event"}}', "clock"),
    ],
)
def test_a_failure_says_which_way_its_event_came(body: str, way: str) -> None:
    assert way_of_failure(body) == way


def test_what_the_sender_is_told() -> None:
    def refused(order: str) -> None:
        raise HTTPError(order, 500, "", {}, None)  # type: ignore[arg-type]

    assert sender_is_told(refused, bad_order("HTTP")) == "its sender (HTTP 500)"
    assert sender_is_told(lambda _: {"FunctionError": "Unhandled"}, "bad") == "its sender (FunctionError)"
    assert sender_is_told(lambda _: {"MessageId": "1"}, "bad") == ""
    assert sender_is_told(lambda _: None, "bad") == ""


def measured(way: str, *waited: bool) -> Measurement:
    how = Provenance("measured", "by hand")
    return Measurement("arrival", way, "", "ms", (2.0,) * len(waited), how, detail={"waited": list(waited)})


def test_who_waits_is_said_where_every_sample_agrees() -> None:
    ways = [measured("direct", True, True), measured("HTTP", True, True), measured("S3", False, False)]
    assert senders_who_wait(ways) == "direct, HTTP"
    assert senders_who_wait([*ways[:2], measured("S3", True, False)]) == "direct, HTTP"
    assert senders_who_wait(ways[:2]) == "all of them"
    assert senders_who_wait(ways[1:]) is None


def test_side_by_side_is_a_row_for_each_way() -> None:
    panel = side_by_side([measured("SQS", False)], {"SQS": (2, "queue for failures")}, {"SQS": 10})
    assert re.split(r" {2,}", panel.text.splitlines()[-1]) == [
        "SQS",
        "no",
        "10",
        "2",
        "queue for failures",
        "2.0 ms",
    ]


def test_a_trace_tells_each_step_and_what_the_handler_said() -> None:
    said = 'Unhandled {"errorMessage": "no \\"tea\\" here", "errorType": "ValueError"}'
    panel = traced([*TWICE[:4], step(1.5, "failed", "b", request="r1", instance="i-1", detail=said)], "b")
    rows = [re.split(r" {2,}", row) for row in panel.text.splitlines()[1:]]
    assert panel.title == "The way of b, from SQS orders"
    assert [row[1] for row in rows] == ["received", "batched", "invoked", "failed"]
    assert rows[0] == ["0", "received", "1\u00a0other"]
    assert rows[3] == ["+500\u00a0ms", "failed", "alone", "no.\u00a01", 'no "tea" here']
    assert "Nothing is known of c" in traced(TWICE, "c").title


def test_events_are_settled_when_answered_given_up_or_tried_three_times() -> None:
    assert (settled(TWICE), settled(TWICE[:5]), settled(PUSHED)) == (2, 1, 1)
    assert settled(PUSHED[:3]) == 0
    assert settled([*PUSHED[:3], {**PUSHED[2], "at_s": 3.0}]) == 1


def test_how_often_a_handler_was_given_an_event() -> None:
    assert given(TWICE, "sqs") == {"a": 1, "b": 2}
    assert given(TWICE, "kinesis") == {}


def test_the_last_error_is_quoted() -> None:
    failed = step(1.0, "failed", "a", source=QUEUE, detail='{"errorMessage": "no"}')
    assert last_error([failed]).startswith(" Your code last raised: ")
    assert last_error(TWICE) == ""
