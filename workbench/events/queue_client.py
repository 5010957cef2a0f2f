"""One queue of SQS as a poller uses it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workbench.errors import DeploymentError
from workbench.faas.asynchronous.aws_client import AwsClients

TROUBLE = (BotoCoreError, ClientError, DeploymentError)
"""What calls raise: SQS refuses, or is not there."""

AT_ONCE = 10
"""Messages in one request of SQS, at most (Amazon SQS API reference)."""

WAIT_S = 1
"""How long a request waits for the first message. SQS allows 20: but what has been asked for is handed out even if who
asked is dead by then, and is hidden from everybody until its visibility timeout has passed."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """What a queue says of itself; `receives` is when it gives a message up, None for never, to `dead_letters`."""

    waiting: int = 0
    visibility_s: float = 30.0
    receives: int | None = None
    dead_letters: str = ""


class QueueClient:
    """Receives from and deletes in one queue; each call raises one of TROUBLE."""

    def __init__(self, aws: AwsClients, arn: str) -> None:
        self.fifo = arn.endswith(".fifo")
        self._aws = aws
        self._name = arn.rpartition(":")[2]
        self._url = ""
        self._deleting = asyncio.Lock()

    async def receive(self, most: int) -> list[dict[str, Any]]:
        """Up to `most` messages, or up to 10; none when there were none for a while."""
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=min(most, AT_ONCE),
            # A FIFO queue is not waited at: all it has may belong to groups that are being processed.
            WaitTimeSeconds=0 if self.fifo else WAIT_S,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    async def delete(self, receipts: Sequence[str]) -> str:
        """Delete messages by their receipt handles; says what the queue refused, or nothing."""
        refused = ""
        for start in range(0, len(receipts), AT_ONCE):
            chunk = receipts[start : start + AT_ONCE]
            entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(chunk)]
            async with self._deleting:  # one request at a time: two have been seen to undo one another in moto's queue
                answer = await self._call("delete_message_batch", Entries=entries)
            for failure in answer.get("Failed", []):
                refused = f"{failure.get('Code')} {failure.get('Message', '')}".strip()
        return refused

    async def state(self) -> QueueState:
        """What the queue says of itself now."""
        attributes = (await self._call("get_queue_attributes", AttributeNames=["All"]))["Attributes"]
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        return QueueState(
            waiting=int(attributes["ApproximateNumberOfMessages"])
            + int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
            visibility_s=float(attributes.get("VisibilityTimeout", 30)),
            receives=int(redrive["maxReceiveCount"]) if redrive else None,
            dead_letters=redrive.get("deadLetterTargetArn", ""),
        )

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if not self._url:
            self._url = (await self._aws.call("sqs", "get_queue_url", QueueName=self._name))["QueueUrl"]
        try:
            return await self._aws.call("sqs", operation, QueueUrl=self._url, **parameters)
        except ClientError:
            self._url = ""  # perhaps it was deleted, and another may be made
            raise
