"""Exercise 07: a listener becomes a handler of batches, which is right when a batch comes twice or half of it fails."""

from __future__ import annotations

import base64
import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import HandlerError
from workbench.labs.checks import Bench, NotYet, check, expect
from workbench.labs.exercises import Exercise
from workbench.labs.kept_ledger import Ledger

_BROKEN = b"{order: 7"


@contextlib.contextmanager
def _desk(bench: Bench) -> Iterator[tuple[Deployment, Ledger]]:
    """The learner's function with the way to a ledger of this check's own."""
    with Ledger() as ledger:
        bound = bench.service.with_environment(LEDGER_PORT=str(ledger.port)).reaching(ledger.port)
        yield bench.neighbour("serverless", bound), ledger


def message(content: Any, *, redelivered: bool = False) -> dict[str, Any]:
    """One message as AWS hands it on ("Using Lambda with Amazon MQ", AWS Lambda Developer Guide)."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    properties = {"contentType": "application/json", "messageId": uuid.uuid4().hex, "headers": {}, "deliveryMode": 2}
    return {"basicProperties": properties, "redelivered": redelivered, "data": base64.b64encode(data).decode()}


def batch(*messages: dict[str, Any]) -> dict[str, Any]:
    """The event that brings these messages."""
    arn = "arn:aws:mq:us-east-1:000000000000:broker:shop:b-0"
    return {"eventSource": "aws:rmq", "eventSourceArn": arn, "rmqMessagesByQueue": {"orders::/": list(messages)}}


def _orders(*cents: int) -> list[dict[str, Any]]:
    return [message({"order": number, "cents": amount}) for number, amount in enumerate(cents, 1)]


def _again(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return batch(*({**one, "redelivered": True} for one in messages))


@check("A batch of orders is booked, and the handler answers")
def _booked(bench: Bench) -> str:
    with _desk(bench) as (desk, ledger):
        desk.invoke(batch(*_orders(450, 1200, 80)))
        expect(
            ledger.total,
            1730,
            "Three orders came in one batch, of 4.50, 12.00 and 0.80 (in cents).",
        )
    return "Three orders, three entries."


@check("A batch that comes again, to another instance, is booked once")
def _once(bench: Bench) -> str:
    with _desk(bench) as (desk, ledger):
        orders = _orders(450, 1200)
        desk.invoke(batch(*orders))
        before = _some(ledger)
        desk.invoke_cold(_again(orders))
        expect(
            ledger.total,
            before,
            "The same two messages came again, marked as redelivered.",
        )
    return "The second time nothing was added, though the instance knew nothing of the first."


@check("Two customers who order the same are two orders")
def _two(bench: Bench) -> str:
    with _desk(bench) as (desk, ledger):
        same = {"order": 1, "cents": 450}
        desk.invoke(batch(message(same), message(same)))
        desk.invoke(batch(message(same, redelivered=True)))
        expect(
            ledger.total,
            1350,
            "Three messages said the same: two in one batch, and one that another desk had been given and never booked "
            "(so it is marked as redelivered).",
        )
    return "The same words in three messages are three entries."


@check("When the ledger fails half-way, nothing is lost and nothing is booked twice")
def _half(bench: Bench) -> str:
    with _desk(bench) as (desk, ledger):
        orders = _orders(100, 200, 300, 400)
        ledger.fail_after = 2
        with contextlib.suppress(HandlerError):
            desk.invoke(batch(*orders))
            raise NotYet(
                "The ledger failed after two of four orders, and the handler answered as if all were well. Then the "
                "broker is told that the batch is done, and two orders are gone for ever."
            )
        ledger.fail_after = None
        desk.invoke(_again(orders))
        expect(ledger.total, 1000, "The ledger failed after two of four orders; then the batch came again. In cents?")
    return "It failed, the batch came again, and the sum is right."


@check("A message that nobody can read does not stop the others")
def _poison(bench: Bench) -> str:
    with _desk(bench) as (desk, ledger):
        broken = message(_BROKEN)
        good = _orders(500, 600)
        try:
            desk.invoke(batch(good[0], broken, good[1]))
        except HandlerError as error:
            if error.error_type == "ConnectionError":  # of the broker: it never came to the messages
                raise
            raise NotYet(
                f"Of three messages the second was no JSON, and the handler raised {error.error_type}. So the batch "
                "comes again, and fails again, and the orders behind it are never reached."
            ) from error
        expect(ledger.total, 1100, "Of three messages the second was no JSON. The others?")
        expect(list(ledger.aside), [broken["basicProperties"]["messageId"]], "Which was set aside?")
    return "It was set aside for a person to look at; the two others were booked."


def _some(ledger: Ledger) -> int:
    if not ledger.total:
        raise NotYet("The first time, nothing was booked at all.")
    return ledger.total


BATCHES = Exercise(
    name="batches",
    title="From a listener to a handler",
    notebook="07_where_it_stops.ipynb",
    checked_handler="app.handler",
    checks=(_booked, _once, _two, _half, _poison),
    hints=(
        "Nobody has to be listened to any more: the messages are in the event, as shown above. Then ask of every "
        "line: what if this very batch comes again? And what if this line fails?",
        "The ledger refuses a key that it has. So the question is what the key is: the same when the message "
        "comes again, and another one for another message. `redelivered` only says that somebody had it before, not "
        "what they did with it.",
        "Use `message['basicProperties']['messageId']` as the key. Decode with `json.loads(base64.b64decode(...))` in "
        "a `try` that catches ValueError alone, and call `ledger.set_aside(key, error)` there. An error of the ledger "
        "must go through: raising is how a handler says that the batch is not done.",
    ),
)
