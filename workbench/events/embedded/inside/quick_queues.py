"""moto's queues with many messages in them.

For each message received, moto computes all attributes of its queue, which looks at all of its messages several times;
and for each look it computes the time from calendar dates. With a thousand messages in a queue, one takes a tenth of a
second. Here only the attribute that is needed is looked at, and the time is the clock's. The answers are the same.
"""

from __future__ import annotations

import time
from typing import Any

from moto.sqs import models as sqs


def install() -> None:
    """For this process; raises AttributeError when this moto has no such functions any more."""
    for owner, name, quick in (
        (sqs, "unix_time", _now),
        (sqs, "unix_time_millis", _now_ms),
        (sqs.SQSBackend, "is_message_valid_based_on_retention_period", _is_retained),
    ):
        getattr(owner, name)
        setattr(owner, name, quick)


def _now() -> float:
    return time.time()


def _now_ms() -> float:
    return time.time() * 1000


def _is_retained(backend: Any, queue_name: str, message: Any) -> bool:
    kept_s = float(backend.get_queue(queue_name).message_retention_period)
    return bool(message.sent_timestamp / 1000 + kept_s > time.time())
