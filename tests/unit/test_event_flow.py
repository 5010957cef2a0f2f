"""The platform's steps put together: runs of a function, fates of events, a sentence, and the figure of them."""

from __future__ import annotations

from typing import Any

import pytest

from workbench import charts
from workbench.findings import event_flow
from workbench.findings.flowing import (
    ANSWERED,
    FAILED,
    GIVEN_UP,
    UNWANTED,
    WAITING,
    fates,
    of_event,
    source_name,
    tries,
)

QUEUE = "arn:aws:sqs:us-east-1:000000000000:orders"
BUCKET = "arn:aws:s3:::orders"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"


def step(at_s: float, what: str, *events: str, source: str = QUEUE, **more: str) -> dict[str, Any]:
    return {
        "at_s": at_s,
        "what": what,
        "source": source,
        "function": "desk",
        "events": list(events),
        **dict.fromkeys(("batch", "request", "instance", "detail"), ""),
        **more,
    }


TWICE = [
    step(1.0, "received", "a", "b"),
    step(1.1, "batched", "a", "b", batch="x"),
    step(1.2, "invoked", "a", "b", batch="x", request="r1"),
    step(1.5, "answered", "a", batch="x", request="r1", instance="i-1"),
    step(1.5, "failed", "b", batch="x", request="r1", instance="i-1", detail="reported"),
    step(3.0, "received", "b"),
    step(3.1, "batched", "b", batch="y"),
    step(3.2, "invoked", "b", batch="y", request="r2"),
    step(3.4, "failed", "b", batch="y", request="r2", instance="i-2", detail="again"),
    step(3.4, "dead-lettered", "b", batch="y", request="r2"),
]
PUSHED = [
    step(1.0, "accepted", "k:1", source=BUCKET, request="r"),
    step(1.1, "failed", "k:1", source=BUCKET, request="r", instance="i-1"),
    step(2.0, "failed", "k:1", source=BUCKET, request="r", instance="i-1"),
    step(4.0, "answered", "k:1", source=BUCKET, request="r", instance="i-1"),
]


def test_a_run_that_took_a_part_of_its_batch_is_one_run() -> None:
    first, second = tries(TWICE)
    assert (first.events, first.failed, first.result, first.detail) == (("a", "b"), ("b",), FAILED, "reported")
    assert (first.came_s, first.batched_s, first.began_s, first.ended_s) == (1.0, 1.1, 1.2, 1.5)
    assert (second.events, second.came_s, second.batched_s, second.instance) == (("b",), 3.0, 3.1, "i-2")


def test_each_try_of_an_asynchronous_invocation_is_a_run_though_they_share_its_id() -> None:
    runs = tries(PUSHED)
    assert [(run.result, run.ended_s) for run in runs] == [(FAILED, 1.1), (FAILED, 2.0), (ANSWERED, 4.0)]
    assert {(run.came_s, run.began_s, run.batched_s) for run in runs} == {(1.0, None, None)}


def test_what_is_under_way_or_came_from_nowhere_is_no_run() -> None:
    assert tries(TWICE[:3]) == ()
    assert tries([step(1.0, "answered", source="", request="r")]) == ()


def test_the_fate_of_an_event_is_the_last_that_is_final() -> None:
    assert fates(TWICE) == {(QUEUE, "a"): ANSWERED, (QUEUE, "b"): GIVEN_UP}
    assert fates(TWICE[:3]) == {(QUEUE, "a"): WAITING, (QUEUE, "b"): WAITING}
    assert fates(TWICE[:7])[QUEUE, "b"] == FAILED  # it came again, but has not been taken
    assert fates(PUSHED) == {(BUCKET, "k:1"): ANSWERED}
    assert fates([step(1.0, "received", "f"), step(1.0, "filtered", "f")]) == {(QUEUE, "f"): UNWANTED}


@pytest.mark.parametrize("known", ["shard-0:17", "17", "shard-0"])
def test_an_event_is_found_by_what_its_sender_knows_of_it(known: str) -> None:
    steps = [step(1.0, "received", "shard-0:17", source=STREAM), step(2.0, "received", "shard-1:117", source=STREAM)]
    assert of_event(steps, known) == steps[:1]


def test_sources_are_called_as_people_call_them() -> None:
    table = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-11-26T10:15:39.670636"
    schedule = "arn:aws:scheduler:us-east-1:000000000000:schedule/default/nightly"
    assert [source_name(arn) for arn in (QUEUE, BUCKET, STREAM, table, schedule, "")] == [
        "SQS orders",
        "S3 orders",
        "Kinesis clicks",
        "DynamoDB orders",
        "clock nightly",
        "a caller",
    ]


def test_the_finding_counts_events_runs_and_what_became_of_them() -> None:
    assert event_flow(TWICE).title == "2 events, 2 runs of the function: 1 answered and 1 given up"
    assert event_flow([]).title == "No event has come yet"


def names(figure: Any) -> list[str]:
    return [trace.name for trace in figure.data if trace.name]


def test_the_figure_has_a_lane_for_each_thing_and_a_panel_for_what_waits() -> None:
    figure = charts.flow(TWICE, [(1.0, QUEUE, 2), (2.0, QUEUE, 0)])
    lanes = ["SQS orders", "batch", "instance 1", "instance 2", "failed", "given up"]
    assert list(figure.layout.yaxis.ticktext) == lanes
    assert names(figure)[-1] == "wait at SQS orders"
    assert list(figure.data[-1].y) == [2, 0]
    (batches,) = (trace for trace in figure.data if trace.name == "batch, with its size")
    assert list(batches.text) == ["2", "1"]


def test_of_what_is_pushed_nothing_waits_so_there_is_one_panel() -> None:
    figure = charts.flow(PUSHED)
    assert list(figure.layout.yaxis.ticktext) == ["S3 orders", "instance 1", "answered", "failed"]
    assert "yaxis2" not in figure.layout.to_plotly_json()
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    assert [trace.x.count(None) for trace in lines] == [1, 2]  # a line for each run


def test_an_event_that_was_received_and_then_accepted_came_once() -> None:
    figure = charts.flow([step(0.9, "received", "k:1", source=BUCKET), *PUSHED])
    (came,) = (trace for trace in figure.data if trace.name == "came")
    assert len(came.x) == 1


def test_where_nothing_came_the_figure_says_so() -> None:
    assert "No event has come yet" in charts.flow([]).layout.title.text


def test_text_of_a_handler_is_shown_and_not_read_as_markup() -> None:
    steps = [step(1.0, "invoked", "<b>", request="r"), step(2.0, "failed", "<b>", request="r", detail="<i>no</i>")]
    (failed,) = (trace for trace in charts.flow(steps).data if trace.name == "failed")
    assert failed.customdata[0] == "1 failed: &lt;i&gt;no&lt;/i&gt;"
