"""The AWS services beside this platform: those of `--aws`, or whatever answers at its `--aws-endpoint`."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from workbench.errors import DeploymentError
from workbench.faas.asynchronous.destinations import detail_type, s3_key, service_of
from workbench.faas.asynchronous.event_store import StoredMessage

_AT_ONCE = 64
"""Calls under way at the same time: each poller of a queue has one that waits most of its time."""

_CONFIG = Config(
    retries={"max_attempts": 0},  # who calls knows when to try again
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=_AT_ONCE,
    s3={"addressing_style": "path"},  # a bucket in the host name would have to be resolved
)


class AwsClients:
    """Clients of S3, SQS, SNS and EventBridge at one endpoint; `endpoint` is empty when there is none."""

    def __init__(self, endpoint: str, region: str, access_key: str, secret_key: str) -> None:
        self.endpoint = endpoint
        self._region = region
        self._access_key = access_key
        self._secret_key = secret_key
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._queues: dict[str, str] = {}
        # Not the event loop's own threads: calls that wait for something to happen would leave none to the others.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="aws")

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """One call of a service, in botocore's names ("s3", "get_object").

        Raises DeploymentError when there is no endpoint or it cannot be reached, botocore's ClientError when the
        service refuses.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._call, service, operation, parameters)

    async def send(self, message: StoredMessage) -> None:
        """Deliver a message to a queue, topic, bus or bucket; raises as `call` does, or DeploymentError."""
        await asyncio.to_thread(self._send, message)

    def _call(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if not self.endpoint:
            raise DeploymentError(
                f"This platform reaches no {service.upper()}: start it with --aws, or with --aws-endpoint URL where "
                "another one answers."
            )
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
        except ClientError:
            raise
        except BotoCoreError as error:
            raise DeploymentError(f"{service.upper()} at {self.endpoint} cannot be used: {error}") from error
        return answer

    def _client(self, service: str) -> Any:
        with self._making:  # botocore's sessions are not safe for threads, its clients are
            if service not in self._clients:
                self._clients[service] = Session().create_client(
                    service,
                    region_name=self._region,
                    endpoint_url=self.endpoint,
                    config=_CONFIG,
                    aws_access_key_id=self._access_key,
                    aws_secret_access_key=self._secret_key,
                )
            return self._clients[service]

    def _send(self, message: StoredMessage) -> None:
        match service_of(message.target):
            case "sqs":
                self._to_queue(message)
            case "sns":
                attributes = _attributes(message)
                self._call(
                    "sns",
                    "publish",
                    {"TopicArn": message.target, "Message": message.body.decode(), "MessageAttributes": attributes},
                )
            case "events":
                self._to_bus(message)
            case "s3":
                bucket = message.target.rpartition(":")[2]
                values = {"Bucket": bucket, "Key": s3_key(message), "Body": message.body}
                self._call("s3", "put_object", {**values, "ContentType": "application/json"})
            case other:
                raise DeploymentError(f"Nothing can be sent to {message.target}: {other or 'that'} is no destination.")

    def _to_queue(self, message: StoredMessage) -> None:
        url = self._queues.get(message.target)
        if url is None:
            url = self._call("sqs", "get_queue_url", {"QueueName": message.target.rpartition(":")[2]})["QueueUrl"]
            self._queues[message.target] = url
        attributes = _attributes(message)
        values = {"QueueUrl": url, "MessageBody": message.body.decode(), "MessageAttributes": attributes}
        try:
            self._call("sqs", "send_message", values)
        except ClientError:
            self._queues.pop(message.target, None)  # perhaps it was deleted, and another may be made
            raise

    def _to_bus(self, message: StoredMessage) -> None:
        record = json.loads(message.body)
        entry = {
            "Source": "lambda",
            "DetailType": detail_type(message.kind),
            "Detail": message.body.decode(),
            "Resources": [message.target, record["requestContext"]["functionArn"]],
            "EventBusName": message.target.rpartition("/")[2],
        }
        answer = self._call("events", "put_events", {"Entries": [entry]})
        if answer.get("FailedEntryCount"):
            failed = answer["Entries"][0]
            raise DeploymentError(f"{message.target} refused: {failed.get('ErrorCode')} {failed.get('ErrorMessage')}")


def _attributes(message: StoredMessage) -> dict[str, dict[str, str]]:
    values = json.loads(message.attributes) if message.attributes else {}
    return {
        name: {"DataType": "Number" if name == "ErrorCode" else "String", "StringValue": value}
        for name, value in values.items()
    }
