"""moto's queue answers the same when it looks at less."""

from __future__ import annotations

from typing import Any

import pytest
from moto.sqs import models

from workbench.events.embedded.inside import quick_queues

sqs: Any = models


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in (
        (sqs, "unix_time"),
        (sqs, "unix_time_millis"),
        (sqs.SQSBackend, "is_message_valid_based_on_retention_period"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))


def received(age_s: float) -> int:
    """How many messages a queue that keeps them a minute gives, when one was sent so long ago."""
    backend = sqs.SQSBackend("us-east-1", "123456789012")
    backend.create_queue("q", MessageRetentionPeriod="60")
    message = backend.send_message("q", "text")
    message.sent_timestamp -= age_s * 1000
    return len(backend.receive_message("q", 10, 0, 30))


@pytest.mark.parametrize("age_s", [0, 50, 70])
def test_what_is_kept_and_received_is_the_same(age_s: float) -> None:
    before = received(age_s)
    quick_queues.install()
    assert received(age_s) == before == (1 if age_s < 60 else 0)


def test_the_time_is_the_same() -> None:
    then, then_ms = sqs.unix_time(), sqs.unix_time_millis()
    quick_queues.install()
    assert then <= sqs.unix_time() <= then + 60
    assert then_ms <= sqs.unix_time_millis() <= then_ms + 60_000
