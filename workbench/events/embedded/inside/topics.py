"""SNS: a notification as a function gets it (AWS Lambda developer guide, "Using AWS Lambda with Amazon SNS")."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.sns.models import Subscription

from workbench.events.embedded.inside.outbox import Outbox
from workbench.events.embedded.inside.seam import replace


def message(
    subscription: Any, text: str, identity: str, subject: str | None, attributes: dict[str, Any] | None
) -> dict[str, Any]:
    """The event of one notification; its signature is none, as nothing here has AWS's key."""
    region = subscription.topic_arn.split(":")[3]
    host = f"https://sns.{region}.amazonaws.com"
    notification = {
        "Type": "Notification",
        "MessageId": identity,
        "TopicArn": subscription.topic_arn,
        "Subject": subject,
        "Message": text,
        "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertUrl": f"{host}/SimpleNotificationService-EXAMPLE.pem",
        "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": str(value["Value"])} for name, value in (attributes or {}).items()
        },
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": notification,
    }
    return {"Records": [record]}


def install(outbox: Outbox) -> None:
    """From now on functions that subscribe are the platform's."""

    def publish(
        self: Any,
        text: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        if self.protocol != "lambda":
            rest = (group_id, deduplication_id, message_structure)
            original(self, text, message_id, subject, message_attributes, *rest)
            return
        wanted = self._filter_policy_matcher
        if wanted is not None and not wanted.matches(message_attributes, text):
            return
        if message_structure == "json":
            text = self._parse_message_structure(text, "lambda")
        event = message(self, text, message_id, subject, message_attributes)
        outbox.push(self.topic_arn, self.endpoint, [message_id], event)

    original = replace(Subscription, "publish", publish)
