"""The batches that exercise 07 is checked with have the shape that AWS documents, and its ledger keeps its word."""

from __future__ import annotations

import json
import socket
from typing import Any

from aws_lambda_powertools.utilities.data_classes.rabbit_mq_event import RabbitMQEvent

from workbench.labs.batches import batch, message
from workbench.labs.kept_ledger import Ledger


def test_a_batch_reads_as_an_event_of_amazon_mq() -> None:
    event = RabbitMQEvent(
        batch(message({"order": 1, "cents": 450}), message({"order": 2, "cents": 5}, redelivered=True))
    )
    assert event.event_source == "aws:rmq"
    first, second = event.rmq_messages_by_queue["orders::/"]
    assert (first.json_data, first.redelivered) == ({"order": 1, "cents": 450}, False)
    assert (second.json_data["cents"], second.redelivered) == (5, True)
    assert first.basic_properties.content_type == "application/json"
    assert first.basic_properties.message_id != second.basic_properties.message_id


def asked(ledger: Ledger, request: dict[str, Any]) -> str:
    with socket.create_connection(("127.0.0.1", ledger.port), timeout=10) as connection:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answers:
            return answers.readline().strip()


def test_a_ledger_overwrites_nothing_and_can_fail() -> None:
    with Ledger() as ledger:
        assert asked(ledger, {"write": "a", "cents": 450}) == '{"new": true}'
        assert asked(ledger, {"write": "a", "cents": 9}) == '{"new": false}'
        assert asked(ledger, {"aside": "b", "why": "no JSON"}) == "{}"
        ledger.fail_after = 1
        assert asked(ledger, {"write": "c", "cents": 1}) == ""
        assert asked(ledger, {"write": "c", "cents": "1"}) == ""
    assert (ledger.entries, ledger.total, ledger.aside) == ({"a": 450}, 450, {"b": "no JSON"})
