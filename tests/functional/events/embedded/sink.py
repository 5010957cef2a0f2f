"""A platform with its AWS services, and functions that write each event to a file where a test reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.functional.faas.platform import Platform, eventually, zipped

SINK = """
import json, os

def handler(event, context):
    line = {"request": context.aws_request_id, "event": event}
    with open(os.environ["SINK"], "a") as file:  # one write at its end: lines of several instances do not mix
        file.write(json.dumps(line) + "\\n")
    if "fail" in json.dumps(event):
        raise ValueError("asked to")
"""


def client(platform: Platform, service: str, **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=platform.endpoint,
        aws_access_key_id=platform.ready["access_key_id"],
        aws_secret_access_key=platform.ready["secret_access_key"],
        region_name=platform.ready["region"],
        config=Config(retries={"max_attempts": 0}, read_timeout=60, **config),
    )


class Sink:
    """A function of a platform and the file that its events are in."""

    def __init__(self, platform: Platform, file: Path, instances: int = 1) -> None:
        self._file = file
        self.platform = platform
        self.name = platform.create(zipped(app=SINK), Environment={"Variables": {"SINK": str(file)}})
        # Few instances on a small machine: events wait for them instead of starting more.
        platform.client.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=instances)
        self.arn: str = platform.client.get_function(FunctionName=self.name)["Configuration"]["FunctionArn"]

    def lines(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    def events(self, count: int) -> list[Any]:
        """The first events, once there are so many."""
        eventually(lambda: len(self.lines()) >= count, 60)
        return [line["event"] for line in self.lines()]
