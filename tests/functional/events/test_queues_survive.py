"""The platform and its instances are killed while queues are worked off: every message is handled all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.functional.events.queues import TestQueue, connect
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, eventually, zipped

COUNT = int(os.environ.get("WORKBENCH_QUEUED", "10000"))
"""Messages in all; that of the issue."""

QUEUES = 10  # moto looks through a whole queue for each message that it is sent or deletes
POISON = 3  # in each queue
RECEIVES = 5  # more often than a message can be in the hands of what is killed
VISIBLE_S = "3"  # so long does a message of a killed one stay away

CODE = zipped(
    app="""
import json, os

def handler(event, context):
    names = [json.loads(record["body"]) for record in event["Records"]]
    with open(os.environ["HANDLED"], "a") as file:
        file.write("".join(f"{name['n']} {os.getpid()}\\n" for name in names))
    bad = [r["messageId"] for r, name in zip(event["Records"], names) if name["poison"]]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in bad]}
"""
)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("count", [COUNT])
def test_every_message_is_handled_though_platform_and_instances_are_killed(tmp_path: Path, count: int) -> None:
    state, handled = tmp_path / "state", tmp_path / "handled"
    each, count = count // QUEUES, count // QUEUES * QUEUES
    with Aws() as aws:
        dead = TestQueue(aws, "dead")
        redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": RECEIVES})
        queues = [
            TestQueue(aws, f"work-{n}", RedrivePolicy=redrive, VisibilityTimeout=VISIBLE_S) for n in range(QUEUES)
        ]
        poison = set()
        for place, queue in enumerate(queues):
            numbers = range(place * each, (place + 1) * each)
            poison |= set(numbers[:: each // POISON][:POISON])
            queue.send_many([json.dumps({"n": n, "poison": n in poison}) for n in numbers])

        def lines() -> list[list[str]]:
            return [line.split() for line in handled.read_text().splitlines()] if handled.exists() else []

        def platform() -> Platform:
            return Platform("--state", str(state), "--aws-endpoint", aws.endpoint, "--access-key", "AKIATEST")

        running = platform()
        try:
            name = running.create(CODE, Environment={"Variables": {"HANDLED": str(handled)}}, Timeout=2, MemorySize=128)
            for queue in queues:
                connect(
                    running,
                    queue,
                    name,
                    FunctionResponseTypes=["ReportBatchItemFailures"],
                    ScalingConfig={"MaximumConcurrency": 2},
                )
            for share in (0.25, 0.5):
                wanted = share * count
                eventually(lambda: len({n for n, _ in lines()}) >= wanted, 120)  # noqa: B023 -- called at once
                instance = running.instances(name)[0]["instance_id"]
                assert running.raw("DELETE", f"/_workbench/functions/{name}/instances/{instance}").status_code == 200
                assert running.process.poll() is None
                running.stop(signal.SIGKILL)
                assert sum(queue.left() for queue in queues) > len(poison)  # it was killed in the middle of it
                running = platform()
            eventually(lambda: len({n for n, _ in lines()}) == count, 120)
            eventually(lambda: all(not queue.left() for queue in queues), 120)
        finally:
            running.stop()
            # What a killed one leaves is removed by the next at its leisure: here, nothing may be left at the end.
            subprocess.run([sys.executable, "-m", "workbench.cli", "clean"], check=True, stdout=subprocess.DEVNULL)
        times = Counter(int(number) for number, _ in lines())
        assert set(times) == set(range(count))
        assert len({pid for _, pid in lines()}) >= 3  # one generation of instances after the other
        assert {times[number] for number in poison} >= {RECEIVES}
        assert {json.loads(message["Body"])["n"] for message in dead.receive()} >= poison
