"""S3, SQS, SNS and EventBridge beside the platform: moto's server on a loopback port, and plain boto3 clients of it."""

from __future__ import annotations

import json
from typing import Any, Self

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


class Aws:
    """A moto server of its own; its account is moto's 123456789012."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"

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
        self._server.stop()


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
