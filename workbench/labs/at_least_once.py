"""Exercise 06: a handler of events that come at least once, in batches, some of them bad."""

from __future__ import annotations

from typing import Any

from workbench.labs.checks import Bench, NotYet, brief, check
from workbench.labs.exercises import Exercise
from workbench.labs.order_ways import OrderWays, given, last_error


def _ways(bench: Bench) -> OrderWays:
    return bench.kept("ways", lambda: OrderWays(bench.service))


def _order(name: str, cents: int = 500) -> dict[str, Any]:
    return {"id": name, "cents": cents}


def _expect_once(ways: OrderWays, story: str, *orders: dict[str, Any]) -> None:
    """Raise NotYet unless each of these orders is in the ledger, once, with its amount."""
    booked = ways.booked()
    for order in orders:
        amounts = booked.get(order["id"], [])
        if not amounts:
            raise NotYet(f"{story} Of {order['id']} nothing was booked.{last_error(ways.steps())}")
        if amounts != [order["cents"]]:
            raise NotYet(f"{story} For {order['id']}, {brief(amounts)} were booked; expected [{order['cents']}].")


@check("An order is booked, whether it comes by queue, stream or bucket")
def _each_way(bench: Bench) -> str:
    ways = _ways(bench)
    story = "Three orders came: one by the queue, one by the stream, one by the bucket."
    by_queue, by_stream, by_bucket = _order("Q1", 100), _order("K1", 200), _order("B1", 300)
    ways.queue(by_queue)
    ways.stream(by_stream)
    ways.bucket(by_bucket)
    ways.settle(story)
    _expect_once(ways, story, by_queue, by_stream, by_bucket)
    return "Three came, three entries."


@check("An order that comes again is booked once: by another way, to another instance")
def _once(bench: Bench) -> str:
    ways = _ways(bench)
    again = _order("twice-1"), _order("twice-2", 700)
    ways.queue(*again)
    ways.settle("Two orders came by the queue.")
    ways.crash()
    ways.queue(*again)
    ways.bucket(again[0])
    ways.stream(again[1])
    story = (
        "Two orders came by the queue. Then their instance crashed, and both came again, by the queue and otherwise."
    )
    ways.settle(story)
    _expect_once(ways, story, *again)
    return "Two orders came three times each, two entries."


@check("A bad message in a batch is put aside alone; the others are booked, and done with")
def _queue(bench: Bench) -> str:
    ways = _ways(bench)
    good = [_order(f"good-{n}", 100 + n) for n in range(1, 5)]
    ways.queue(good[0], good[1], {"id": "bad-1"}, good[2], good[3])
    story = "Five messages came in one batch; the third has no amount."
    ways.settle(story)
    _expect_once(ways, story, *good)
    put_aside = ways.put_aside(f"{story} The bad one has to come to the queue for failures.")
    others = [body for body in put_aside if "bad-1" not in body]
    if others:
        raise NotYet(f"{story} Put aside as failures were also good ones: {brief(others)}.")
    return "Four were booked, and the fifth lies in the queue for failures."


@check("Of a stream, what was booked does not come again when a later record fails")
def _stream(bench: Bench) -> str:
    ways = _ways(bench)
    before = given(ways.steps(), "kinesis")
    records = _order("s-1"), _order("s-2"), _order("busy-3"), _order("s-4")
    ways.stream(*records)
    story = "Four records came in one batch, and the ledger was busy at the third, the first time."
    ways.settle(story)
    _expect_once(ways, story, *records)
    counts = given(ways.steps(), "kinesis") - before
    twice = [count for _, count in sorted(counts.items(), key=lambda item: int(item[0].rpartition(":")[2]))][:2]
    if max(twice) > 1:
        raise NotYet(
            f"{story} The two before it were given to your handler {max(twice)} times. Say where it failed: the "
            "platform goes on from there."
        )
    return "It went on at the record that had failed, and all four are in the ledger once."


@check("A bad object of a bucket is not taken for done: it is tried again, then put aside")
def _bucket(bench: Bench) -> str:
    ways = _ways(bench)
    later = _order("busy-b")
    ways.bucket(later, {"id": "bad-2"})
    story = "Two objects came: at the first the ledger was busy once, the second has no amount."
    ways.settle(story)
    _expect_once(ways, story, later)
    failed = [step for step in ways.steps() if step["what"] == "failed" and "bad-2" in step["events"][0]]
    if not failed:
        raise NotYet(
            f"{story} Your handler answered the second as if it were done. To a bucket, only an error says no."
        )
    ways.put_aside(f"{story} The second has to come to the queue for failures.")
    return "The first was booked at the second try, the second lies in the queue for failures."


AT_LEAST_ONCE = Exercise(
    name="at_least_once",
    title="At least once",
    notebook="06_four_ways.ipynb",
    checked_handler="app.handler",
    checks=(_each_way, _once, _queue, _stream, _bucket),
    hints=(
        "Two questions, one after the other. What makes two events the same order? And of a batch, who has to know "
        "which of its records failed?",
        "The key is what belongs to the order, and to nothing else: not to the message, not to the call. An entry that "
        "is there already is no failure. Catch the error of each record by itself, and answer with "
        '{"batchItemFailures": [{"itemIdentifier": ...}]}.',
        'Book under order["id"] and let AlreadyBooked pass. The identifier is record["messageId"] for a queue and '
        'record["kinesis"]["sequenceNumber"] for a stream. A bucket reads no answer: if "s3" is in the record, raise.',
    ),
)
