"""Nothing accepted is lost: the platform is killed again and again under load, and every event has its consequences."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import ROLE, Platform, eventually, zipped

KILLS = 4
CODE = zipped(
    app="""
def work(event, context):
    if event["n"] % 5 == 0:
        raise ValueError("no")
    return event["n"]

def tell(event, context):
    return {"n": event["requestPayload"]["n"], "of": event["requestContext"]["requestId"]}
"""
)


class Sender:
    """Sends numbered events until the platform is gone; `accepted` are those with a 202."""

    def __init__(self, platform: Platform, start: int) -> None:
        self.accepted: dict[str, int] = {}
        self._number = start
        self._client = platform.client
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            self._number += 1
            try:
                payload = json.dumps({"n": self._number}).encode()
                answer = self._client.invoke(FunctionName="work", InvocationType="Event", Payload=payload)
            except (BotoCoreError, ClientError):
                return
            self.accepted[answer["ResponseMetadata"]["RequestId"]] = self._number

    def join(self) -> int:
        self._thread.join()
        return self._number


def set_up(platform: Platform, good: str, bad: str) -> None:
    for name in ("work", "tell"):
        platform.client.create_function(
            FunctionName=name,
            Runtime="python3.11",
            Handler=f"app.{name}",
            Role=ROLE,
            Code={"ZipFile": CODE},
            Timeout=30,
        )
    tell = "arn:aws:lambda:us-east-1:000000000000:function:tell"
    targets = {"work": {"OnSuccess": tell, "OnFailure": bad}, "tell": {"OnSuccess": good}}
    for name, wanted in targets.items():
        config = {side: {"Destination": arn} for side, arn in wanted.items()}
        platform.client.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig=config, MaximumRetryAttempts=1
        )


@pytest.mark.timeout(400)
def test_every_accepted_event_has_its_consequence_however_often_the_platform_is_killed(tmp_path: Path) -> None:
    draw = random.Random(20261123)
    accepted: dict[str, int] = {}
    number = 0
    with Aws() as aws:
        good, bad = aws.queue("good"), aws.queue("bad")
        arguments = (
            "--state",
            str(tmp_path / "state"),
            "--retry-scale",
            "0.01",
            "--account-concurrency",
            "12",
            "--aws-endpoint",
            aws.endpoint,
        )
        for round_ in range(KILLS):
            platform = Platform(*arguments)
            try:
                if round_ == 0:
                    set_up(platform, good.arn, bad.arn)
                sender = Sender(platform, number)
                wanted = draw.randint(30, 80)
                eventually(lambda: len(sender.accepted) >= wanted, 60)  # noqa: B023  # used at once
            finally:
                platform.stop(signal.SIGKILL)
            number = sender.join()
            accepted |= sender.accepted
        with Platform(*arguments) as last:
            eventually(lambda: last.ask("GET", "health")["queued_events"] == 0, 120)
        told, refused = good.bodies(), bad.bodies()
    succeeded = Counter(record["responsePayload"]["of"] for record in told)
    failed = Counter(record["requestContext"]["requestId"] for record in refused)
    assert len(accepted) >= 30 * KILLS
    for identity, n in accepted.items():
        assert (failed if n % 5 == 0 else succeeded)[identity] >= 1, f"event {n} ({identity}) is lost"
    check_records(refused)


def check_records(records: list[dict[str, Any]]) -> None:
    """What a platform told after a restart is as complete as ever."""
    for record in records:
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 2
        assert record["responsePayload"]["errorMessage"] == "no"
