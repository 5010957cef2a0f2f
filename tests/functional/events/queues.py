"""What the tests of queues share: a handler that writes down each event, and queues made as they wish."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, eventually, zipped

HANDLER = zipped(
    app="""
import json, os, time

def handler(event, context):
    with open(os.environ["SEEN"], "a") as file:
        file.write(json.dumps({"event": event, "id": context.aws_request_id, "pid": os.getpid()}) + "\\n")
    failed = []
    for record in event["Records"]:
        body = json.loads(record["body"]) if record["body"].startswith("{") else {}
        if "wait" in body:
            while not os.path.exists(body["wait"]):
                time.sleep(0.01)
        if "raise" in body:
            raise ValueError(body["raise"])
        if "exit" in body and record["attributes"]["ApproximateReceiveCount"] == "1":
            os._exit(1)
        if "answer" in body:
            return body["answer"]
        if "fail" in body:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""
)


class Seen:
    """A function whose handler writes down what it gets."""

    def __init__(self, platform: Platform, directory: Path, **settings: Any) -> None:
        self.file = directory / "seen.jsonl"
        environment = {"Variables": {"SEEN": str(self.file)}}
        values = {"Timeout": 2, "MemorySize": 128, **settings}
        self.name = platform.create(HANDLER, Environment=environment, **values)

    def calls(self) -> list[dict[str, Any]]:
        """Each invocation so far: event, id, pid."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def records(self) -> list[dict[str, Any]]:
        """All records of all invocations so far."""
        return [record for call in self.calls() for record in call["event"]["Records"]]

    def bodies(self) -> list[str]:
        """Their bodies."""
        return [record["body"] for record in self.records()]


class TestQueue:
    """A queue made with attributes; what is in it, and what goes to it."""

    __test__ = False

    def __init__(self, aws: Aws, name: str, *, exactly: bool = False, **attributes: str) -> None:
        self._client = aws.client("sqs")
        # moto's servers in one process know the same queues, those of other tests too
        self.name = name if exactly else f"{uuid.uuid4().hex[:6]}-{name}"
        self.url = self._client.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]
        self.arn: str = self.attributes()["QueueArn"]

    def attributes(self) -> dict[str, str]:
        """All of them."""
        found: dict[str, str] = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found

    def send(self, *bodies: Any, **more: Any) -> list[str]:
        """Put messages in it, in order; their ids."""
        ids = []
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            ids.append(self._client.send_message(QueueUrl=self.url, MessageBody=text, **more)["MessageId"])
        return ids

    def send_many(self, bodies: list[str]) -> None:
        """Put messages in it, ten in a request."""
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
            self._client.send_message_batch(QueueUrl=self.url, Entries=entries)

    def receive(self) -> list[dict[str, Any]]:
        """All messages that can be seen now."""
        found: list[dict[str, Any]] = []
        while more := self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            found += more
        return found

    def left(self) -> int:
        """How many messages it has, seen by somebody now or not."""
        attributes = self.attributes()
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        return sum(int(attributes[name]) for name in names)


def connect(platform: Platform, queue: TestQueue, function: str, **settings: Any) -> str:
    """A mapping of the queue that is enabled; its UUID."""
    answer = platform.client.create_event_source_mapping(EventSourceArn=queue.arn, FunctionName=function, **settings)
    name: str = answer["UUID"]
    settled(platform, name)
    return name


def settled(platform: Platform, mapping: str, state: str = "Enabled") -> dict[str, Any]:
    """The mapping when it has come to a state."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = platform.client.get_event_source_mapping(UUID=mapping)
        return found if found["State"] == state else None

    found: dict[str, Any] = eventually(look)
    return found


def steps(platform: Platform, event: str) -> list[dict[str, Any]]:
    """What became of an event so far."""
    found: list[dict[str, Any]] = platform.ask("GET", f"flow?id={event}")["steps"]
    return found
