"""A function that reads a stream and writes what it got to a file, and streams to read."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.functional.faas import platform as faas
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, zipped

CODE = zipped(
    app="""
import base64, json, os

def numbers(event):
    return [int(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]

def write(event):
    line = (json.dumps({"pid": os.getpid(), "event": event}) + "\\n").encode()
    file = os.open(os.environ["OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    assert os.write(file, line) == len(line)
    os.close(file)

def handler(event, context):
    write(event)

def picky(event, context):
    write(event)
    if 13 in numbers(event):
        raise ValueError("thirteen")

def honest(event, context):
    write(event)
    bad = [r["kinesis"]["sequenceNumber"] for r, n in zip(event["Records"], numbers(event)) if n == 13]
    return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in bad]}

def adds(event, context):
    write(event)
    return {"state": {"sum": event["state"].get("sum", 0) + sum(numbers(event))}}
"""
)

_names = itertools.count(1)


def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """As the platform's own; a stream is read once a second, and the machine may be busy."""
    return faas.eventually(condition, seconds)


class Reader:
    """A function, and the events that it got."""

    def __init__(self, platform: Platform, directory: Path, handler: str = "handler", **settings: Any) -> None:
        self._client = platform.client
        self._out = directory / f"events-{next(_names)}"
        self.name = platform.create(
            CODE, Handler=f"app.{handler}", Environment={"Variables": {"OUT": str(self._out)}}, **settings
        )

    def read(self, source: str, **settings: Any) -> str:
        """Map a source to it, from its beginning unless said otherwise; returns the UUID once it is enabled."""
        values = {"StartingPosition": "TRIM_HORIZON", **settings}
        made = self._client.create_event_source_mapping(FunctionName=self.name, EventSourceArn=source, **values)
        uuid: str = made["UUID"]
        eventually(lambda: self.mapping(uuid)["State"] == "Enabled")
        return uuid

    def mapping(self, uuid: str) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get_event_source_mapping(UUID=uuid)
        return found

    def _lines(self) -> list[dict[str, Any]]:
        text = self._out.read_text() if self._out.exists() else ""
        return [json.loads(line) for line in text.split("\n")[:-1]]  # what has no end yet is being written

    def events(self) -> list[dict[str, Any]]:
        return [line["event"] for line in self._lines()]

    def pids(self) -> set[int]:
        """The processes of all instances that ran."""
        return {line["pid"] for line in self._lines()}

    def batches(self) -> list[list[int]]:
        """The numbers in each Kinesis event."""
        return [numbers(event) for event in self.events()]

    def all(self) -> list[int]:
        return [number for batch in self.batches() for number in batch]


def numbers(event: dict[str, Any]) -> list[int]:
    return [int(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]


class Stream:
    """A new Kinesis stream."""

    def __init__(self, aws: Aws, shards: int = 1) -> None:
        self.client = aws.client("kinesis")
        self.name = f"stream-{next(_names)}"
        self.client.create_stream(StreamName=self.name, ShardCount=shards)
        summary = self.client.describe_stream_summary(StreamName=self.name)["StreamDescriptionSummary"]
        self.arn: str = summary["StreamARN"]

    def put(self, numbers: range | list[int], keys: int = 1) -> None:
        """Records with numbers, whose partition key is the number modulo `keys`."""
        entries = [{"Data": str(n).encode(), "PartitionKey": f"key-{n % keys}"} for n in numbers]
        for first in range(0, len(entries), 500):
            answer = self.client.put_records(StreamName=self.name, Records=entries[first : first + 500])
            assert answer["FailedRecordCount"] == 0
