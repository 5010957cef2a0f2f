"""Where the exercise `at_least_once` is checked: a queue, a stream and a bucket lead to the learner's code."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from workbench.findings import flowing
from workbench.labs.checks import NotYet
from workbench.labs.ways import queue_arn, take
from workbench.service import Resources, Service

_TIMEOUT_S = 3
_WITHIN_S = 60.0
_PAUSE_S = 0.1
_ASYNCHRONOUS_TRIES = 3
_RESOURCES = Resources(memory_mb=1769, timeout_s=_TIMEOUT_S)

Order = Mapping[str, Any]


class OrderWays:
    """A context manager: the learner's service on a platform of its own, with a ledger, and three ways to it."""

    def __init__(self, service: Service) -> None:
        from workbench.deployments.standing import platform

        self._sent = 0
        self._platform = platform(aws=True, retry_scale=0.01)
        try:
            self._client = self._platform.client
            for table in ("ledger", "asked"):
                self._table(table)
            self._desk = self._platform.deploy(service.with_resources(_RESOURCES))
            self._connect()
        except BaseException:
            self._platform.close()
            raise

    def _table(self, name: str) -> None:
        self._client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def _connect(self) -> None:
        sqs, lambdas, s3, kinesis = (self._client(name) for name in ("sqs", "lambda", "s3", "kinesis"))
        self._aside = sqs.create_queue(QueueName="aside")["QueueUrl"]
        failures = {"OnFailure": {"Destination": queue_arn(self._platform, self._aside)}}
        redrive = {"deadLetterTargetArn": failures["OnFailure"]["Destination"], "maxReceiveCount": 2}
        settings = {"VisibilityTimeout": str(_TIMEOUT_S), "RedrivePolicy": json.dumps(redrive)}
        self._queue = sqs.create_queue(QueueName="orders", Attributes=settings)["QueueUrl"]
        common = {
            "FunctionName": self._desk.function,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MaximumBatchingWindowInSeconds": 1,
        }
        lambdas.create_event_source_mapping(EventSourceArn=queue_arn(self._platform, self._queue), **common)
        kinesis.create_stream(StreamName="orders", ShardCount=1)
        stream = kinesis.describe_stream_summary(StreamName="orders")["StreamDescriptionSummary"]["StreamARN"]
        limits = {"StartingPosition": "TRIM_HORIZON", "MaximumRetryAttempts": 2, "DestinationConfig": failures}
        lambdas.create_event_source_mapping(EventSourceArn=stream, **common, **limits)
        lambdas.put_function_event_invoke_config(FunctionName=self._desk.function, DestinationConfig=failures)
        s3.create_bucket(Bucket="orders")
        tell = [{"LambdaFunctionArn": self._desk.arn, "Events": ["s3:ObjectCreated:*"]}]
        s3.put_bucket_notification_configuration(
            Bucket="orders", NotificationConfiguration={"LambdaFunctionConfigurations": tell}
        )

    def queue(self, *orders: Order) -> None:
        """Send orders as messages, all at once."""
        entries = [{"Id": str(place), "MessageBody": json.dumps(order)} for place, order in enumerate(orders)]
        self._client("sqs").send_message_batch(QueueUrl=self._queue, Entries=entries)
        self._sent += len(orders)

    def stream(self, *orders: Order) -> None:
        """Put orders into the stream, in this order."""
        records = [{"Data": json.dumps(order), "PartitionKey": "orders"} for order in orders]
        self._client("kinesis").put_records(StreamName="orders", Records=records)
        self._sent += len(orders)

    def bucket(self, *orders: Order) -> None:
        """Put an object for each order, whose key is the order."""
        for order in orders:
            self._client("s3").put_object(Bucket="orders", Key=json.dumps(order), Body=b"")
        self._sent += len(orders)

    def crash(self) -> None:
        """End all instances, and with them what they remember."""
        for instance in self._desk.instances():
            path = f"/_workbench/functions/{self._desk.function}/instances/{instance.instance_id}"
            self._platform.request("DELETE", path)

    def steps(self) -> list[Mapping[str, Any]]:
        """What became of the events so far."""
        found: list[Mapping[str, Any]] = self._platform.request("GET", "/_workbench/flow")["steps"]
        return found

    def settle(self, story: str) -> None:
        """Wait until every order that was sent is done with: answered, or given up; raises NotYet if one never is."""
        self._until(lambda: settled(self.steps()) >= self._sent, story)

    def booked(self) -> dict[str, list[int]]:
        """The amounts in the ledger, by order."""
        found: dict[str, list[int]] = {}
        for item in self._client("dynamodb").scan(TableName="ledger")["Items"]:
            found.setdefault(item["order"]["S"], []).append(int(item["cents"]["N"]))
        return found

    def put_aside(self, story: str, least: int = 1) -> list[str]:
        """What has been put into the queue for failures since the last look, which is emptied."""
        bodies: list[str] = []

        def there() -> bool:
            bodies.extend(take(self._platform, self._aside))
            return len(bodies) >= least

        self._until(there, story)
        return bodies

    def _until(self, condition: Callable[[], bool], story: str) -> None:
        deadline = time.monotonic() + _WITHIN_S
        while not condition():
            if time.monotonic() > deadline:
                raise NotYet(f"{story} After {_WITHIN_S:g} s it had not happened.{last_error(self.steps())}")
            time.sleep(_PAUSE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._platform.close()


def settled(steps: flowing.Steps) -> int:
    """How many events are done with: answered, given up, or tried as often as an asynchronous invocation is."""
    failures = Counter((s["source"], event) for s in steps if s["what"] == "failed" for event in s["events"])
    ends = (flowing.ANSWERED, flowing.GIVEN_UP)
    return sum(
        fate in ends or ("s3" in key[0].split(":") and failures[key] >= _ASYNCHRONOUS_TRIES)
        for key, fate in flowing.fates(steps).items()
    )


def given(steps: flowing.Steps, source: str) -> Counter[str]:
    """How often the handler was called with each event of a kind of source ("kinesis"), by its id."""
    return Counter(
        event
        for step in steps
        if step["what"] == "invoked" and step["source"].split(":")[2] == source
        for event in step["events"]
    )


def last_error(steps: flowing.Steps) -> str:
    """What the learner's code raised last, as a sentence; nothing when it raised nothing."""
    said = [step["detail"] for step in steps if step["what"] == "failed" and "errorMessage" in step["detail"]]
    return f" Your code last raised: {said[-1][:200]}" if said else ""
