"""What SES says about a message: the event of a Lambda action, and the notification of any action to a topic.

"Contents of notifications for Amazon SES email receiving" (SES developer guide) names the fields. No verdict here is
made up. Nothing is scanned, so spam and virus are GRAY where a rule asks for it, DISABLED where it does not, as AWS
answers. There is no DNS behind loopback, so SPF and DMARC are GRAY ("no policy"); DKIM is GRAY for a message that is
not signed and PROCESSING_FAILED for one that is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from workbench.events.mail.message import Message, timestamp


def receipt(
    message: Message, recipients: Sequence[str], action: dict[str, Any], *, scan: bool, now_s: float
) -> dict[str, Any]:
    """The `receipt` object: when and for whom the action runs, the verdicts, and the action itself."""
    signed = any(name.lower() == "dkim-signature" for name, _ in message.headers())
    scanned = {"status": "GRAY" if scan else "DISABLED"}
    return {
        "timestamp": timestamp(now_s),
        "processingTimeMillis": max(1, round((now_s - message.received_s) * 1000)),
        "recipients": list(recipients),
        "spamVerdict": scanned,
        "virusVerdict": scanned,
        "spfVerdict": {"status": "GRAY"},
        "dkimVerdict": {"status": "PROCESSING_FAILED" if signed else "GRAY"},
        "dmarcVerdict": {"status": "GRAY"},
        "action": action,
    }


def event(message: Message, told_receipt: dict[str, Any]) -> bytes:
    """What a function gets."""
    record = {
        "eventSource": "aws:ses",
        "eventVersion": "1.0",
        "ses": {"mail": message.told(), "receipt": told_receipt},
    }
    return json.dumps({"Records": [record]}).encode()


def notification(message: Message, told_receipt: dict[str, Any], content: str | None = None) -> str:
    """What a topic gets; `content` is the whole message, which only an SNS action tells."""
    told = {"notificationType": "Received", "mail": message.told(), "receipt": told_receipt}
    return json.dumps(told if content is None else {**told, "content": content})
