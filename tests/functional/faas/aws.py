"""S3, SQS, SNS and EventBridge beside the platform: moto's server on a loopback port, and plain boto3 clients of it.

It is served as the platform's embedded services are, one request at a time. moto's own server works on many at once,
and loses a message of a queue when one is moved to the dead-letter queue while another is deleted.
"""

from __future__ import annotations

import functools
import json
import threading
from types import SimpleNamespace
from typing import Any, Self, cast

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import make_server

from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.server import Application

REGION = "us-east-1"


@functools.cache
def _application() -> Application:
    """One in a process: all of moto's servers in one share their services."""
    return Application(cast(Outbox, SimpleNamespace(hand_over=lambda: None)))  # there is no platform to hand events to


class _Quiet(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Write no line for each request."""


class Aws:
    """A moto server of its own; its account is moto's 123456789012."""

    def __init__(self) -> None:
        self._server = make_server("127.0.0.1", 0, _application(), threaded=True, request_handler=_Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.port}"

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}),
        )

    def queue(self, name: str) -> Queue:
        """A new queue."""
        return Queue(self.client("sqs"), name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Queue:
    """A queue of SQS, with all that was ever received from it."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.url: str = client.create_queue(QueueName=name)["QueueUrl"]
        self.arn: str = client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.messages: list[dict[str, Any]] = []

    def receive(self) -> list[dict[str, Any]]:
        """Take what is there now; returns all messages so far."""
        while True:
            answer = self._client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            found = answer.get("Messages", [])
            for message in found:
                self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            self.messages += found
            if not found:
                return self.messages

    def bodies(self) -> list[Any]:
        """The JSON of all messages so far."""
        return [json.loads(message["Body"]) for message in self.receive()]
