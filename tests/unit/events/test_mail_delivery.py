"""A message's way through the rules where the services or the function do not answer as they should."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workbench.events.flow import Flow
from workbench.events.mail import delivery as module
from workbench.events.mail.delivery import Delivery
from workbench.events.mail.message import receive
from workbench.events.mail.rules import Rule, RuleSet
from workbench.faas.companion import Host

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
SYNC = ("LambdaAction", {"FunctionArn": ARN, "InvocationType": "RequestResponse"})
STORE = ("S3Action", {"BucketName": "b"})


@dataclass
class FakeHost:
    """Answers as it is told to, and notes what it was asked."""

    answer: bytes | None = b"null"  # None: the function never answers
    asked: list[tuple[str, str]] = field(default_factory=list)
    invoked: list[dict[str, Any]] = field(default_factory=list)
    region: str = "us-east-1"

    @property
    def context(self) -> Any:
        return SimpleNamespace(region=self.region, aws=self)

    @staticmethod
    def now_s() -> float:
        return 1000.5

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        self.asked.append((service, operation))
        return {}

    async def invoke(self, function: str, payload: bytes) -> Any:
        self.invoked.append(json.loads(payload))
        if self.answer is None:
            await asyncio.Event().wait()
        return SimpleNamespace(payload=self.answer, error=None, request="r", instance="i")


def delivered(host: FakeHost, *actions: tuple[str, dict[str, Any]]) -> tuple[str, list[str]]:
    """The reply, and the steps that were told."""
    flow = Flow()
    rules = RuleSet("set", (Rule("rule", (), actions),))
    message = receive("a@x.org", ["b@x.org"], "helo", "127.0.0.1", b"Subject: x\r\n\r\n", 1000.0)
    text = asyncio.run(Delivery(cast(Host, host), flow, rules, message).run())
    return text, [str(step.what) for step in flow.steps(event=message.id)]


def test_a_function_that_does_not_answer_in_time_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FUNCTION_WAIT_S", 0.01)
    host = FakeHost(answer=None)
    text, steps = delivered(host, SYNC, STORE)
    assert text.startswith("451 4.3.0 rule: ")
    assert "did not answer" in text
    assert steps == ["received", "invoked", "failed"]
    assert host.asked == []


@pytest.mark.parametrize(
    "answer", [b"", b"no json", b"[1]", b'"STOP_RULE"', b'{"disposition": ["STOP_RULE"]}', b"\xff"]
)
def test_an_answer_that_is_no_disposition_means_on(answer: bytes) -> None:
    host = FakeHost(answer)
    text, steps = delivered(host, SYNC, STORE)
    assert text.startswith("250 ")
    assert host.asked == [("s3", "put_object")]
    assert steps == ["received", "invoked", "answered"]


def test_encryption_is_refused_before_anything_is_stored() -> None:
    host = FakeHost()
    text, steps = delivered(host, ("S3Action", {"BucketName": "b", "KmsKeyArn": "arn:aws:kms:::key/k"}))
    assert text.startswith("554 ")
    assert host.asked == []
    assert steps == ["received", "dropped"]


@pytest.mark.parametrize(
    ("given", "code"), [("550", "550"), ("450", "450"), ("250", "550"), ("", "550"), ("55O", "550")]
)
def test_a_bounce_is_never_a_success(given: str, code: str) -> None:
    bounce = {"SmtpReplyCode": given, "Message": "no", "Sender": "s@x.org"}
    assert delivered(FakeHost(), ("BounceAction", bounce))[0] == f"{code} {code[0]}.0.0 no"


def test_the_event_of_a_waited_for_function_says_so_and_its_time_is_never_none() -> None:
    host = FakeHost()
    delivered(host, SYNC)
    receipt = host.invoked[0]["Records"][0]["ses"]["receipt"]
    assert receipt["action"] == {"type": "Lambda", "functionArn": ARN, "invocationType": "RequestResponse"}
    assert receipt["processingTimeMillis"] == 500
