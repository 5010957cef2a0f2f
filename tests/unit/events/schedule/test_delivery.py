"""What becomes of a call that fails: tried again, given up, dead-lettered; and it is on disk all the time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from workbench.errors import DeploymentError
from workbench.events.flow import Flow
from workbench.events.schedule.delivery import Delivery
from workbench.events.schedule.memory import Memory, keep_order
from workbench.events.schedule.orders import Order
from workbench.faas.functions.storage import Storage

QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
SCHEDULE = "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s"
AWAY = DeploymentError("the endpoint is away")
MARK = ("INSERT INTO numbers VALUES ('mark', 1)", ())


def refusal(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendMessage")


class Sqs:
    """Two queues; sending to the first fails with each of `failures` in turn, then works."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[dict[str, Any]] = []

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        if operation == "get_queue_url":
            return {"QueueUrl": "url-" + parameters["QueueName"]}
        if parameters["QueueUrl"] == "url-q" and self.failures:
            raise self.failures.pop(0)
        self.sent.append(parameters)
        return {}


class Bench:
    def __init__(self, directory: Path, sqs: Sqs) -> None:
        self.storage, self.flow, self.now_s = Storage(directory), Flow(), 1000.0
        context = SimpleNamespace(aws=sqs, events=SimpleNamespace(retry_scale=0.0))
        host: Any = SimpleNamespace(context=context, now_s=lambda: self.now_s)
        self.memory = Memory(self.storage)
        self.delivery = Delivery(host, self.flow, self.memory)

    async def done(self) -> None:
        while self.memory.orders():
            await asyncio.sleep(0)

    @property
    def told(self) -> list[str]:
        return [str(step.what) for step in self.flow.steps()]


def wanted(**changes: Any) -> Order:
    plain = Order("id", SCHEDULE, QUEUE, '{"n": "<aws.scheduler.attempt-number>"}', "2026-03-29T07:00:00Z", 1000.0)
    return replace(plain, **changes)


def deliver(directory: Path, sqs: Sqs, order: Order) -> Bench:
    async def run() -> Bench:
        bench = Bench(directory, sqs)
        await bench.delivery.accept(order, MARK)
        assert bench.storage.numbers() == {"mark": 1}
        await bench.done()
        await bench.delivery.close()
        bench.storage.close()
        return bench

    return asyncio.run(run())


def test_what_fails_for_a_while_arrives_and_says_which_attempt_it_is(tmp_path: Path) -> None:
    sqs = Sqs(AWAY, refusal("InternalError", 500), refusal("ThrottlingException", 400))
    bench = deliver(tmp_path, sqs, wanted())
    assert sqs.sent == [{"QueueUrl": "url-q", "MessageBody": '{"n": "4"}'}]
    assert bench.told == ["accepted", *["failed", "retried"] * 3, "answered"]


def test_after_the_last_attempt_it_is_dead_lettered_with_what_was_wrong(tmp_path: Path) -> None:
    sqs = Sqs(AWAY, AWAY, AWAY)
    deliver(tmp_path, sqs, wanted(retries=2, dead_letter=DEAD))
    (letter,) = sqs.sent
    said = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert letter["QueueUrl"] == "url-dead"
    assert json.loads(letter["MessageBody"]) == {"QueueUrl": QUEUE, "MessageBody": '{"n": "3"}'}
    assert said.pop("EXECUTION_ID")
    assert said == {
        "SCHEDULE_ARN": SCHEDULE,
        "TARGET_ARN": QUEUE,
        "ERROR_CODE": "DeploymentError",
        "ERROR_MESSAGE": "the endpoint is away",
        "RETRY_ATTEMPTS": "2",
        "SCHEDULED_TIME": "2026-03-29T07:00:00Z",
        "IS_PAYLOAD_TRUNCATED": "false",
        "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
    }


def test_what_is_too_old_is_given_up(tmp_path: Path) -> None:
    sqs = Sqs(AWAY)
    bench = deliver(tmp_path, sqs, wanted(made_s=900.0, max_age_s=60, dead_letter=DEAD))
    (letter,) = sqs.sent
    assert letter["MessageAttributes"]["EXHAUSTED_RETRY_CONDITION"]["StringValue"] == "MaximumEventAgeInSeconds"
    assert bench.told[:3] == ["accepted", "failed", "dead-lettered"]


def test_what_the_service_refuses_is_not_tried_again(tmp_path: Path) -> None:
    sqs = Sqs(refusal("AWS.SimpleQueueService.NonExistentQueue", 400))
    bench = deliver(tmp_path, sqs, wanted())
    assert sqs.sent == []
    assert bench.told == ["accepted", "failed", "dropped"]


@pytest.mark.parametrize("left", [wanted(), wanted(attempts=3)])
def test_what_an_earlier_process_left_is_delivered(tmp_path: Path, left: Order) -> None:
    async def run() -> None:
        first = Bench(tmp_path, Sqs())
        await first.memory.write([keep_order("key", left)])
        first.storage.close()
        sqs = Sqs()
        second = Bench(tmp_path, sqs)
        second.delivery.resume()
        await second.done()
        second.storage.close()
        assert [json.loads(one["MessageBody"])["n"] for one in sqs.sent] == [str(left.attempts + 1)]

    asyncio.run(run())
