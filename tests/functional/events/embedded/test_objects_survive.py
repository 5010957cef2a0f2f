"""Objects are put while the platform is killed again and again: each confirmed put reaches the function."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from tests.functional.events.embedded.sink import Sink, client
from tests.functional.faas.platform import Platform, alive, eventually

OBJECTS = 2000
KILLS = 3


def test_no_confirmed_put_is_lost_however_the_platform_ends(tmp_path: Path) -> None:
    draw = random.Random(int(os.environ.get("WORKBENCH_KILL_SEED", "1")))
    state = ("--aws", "--state", str(tmp_path / "state"), "--retry-scale", "0.01", "--account-concurrency", "12")
    left = [f"k{n}" for n in range(OBJECTS)]
    confirmed: set[str] = set()
    with Platform(*state) as first:
        sink = Sink(first, tmp_path / "events", instances=4)
        round_of(first, sink, left, confirmed, kill_after=draw.randint(50, 600))
    for _ in range(KILLS - 1):
        with Platform(*state) as again:  # its buckets are gone, what was accepted is not
            round_of(again, sink, left, confirmed, kill_after=draw.randint(50, 600))
    with Platform(*state) as last:
        round_of(last, sink, left, confirmed, kill_after=None)
        assert not left
        assert len(confirmed) == OBJECTS
        eventually(lambda: last.ask("GET", "health")["queued_events"] == 0, 120)
        handled = [line["event"]["Records"][0]["s3"]["object"]["key"] for line in sink.lines()]
    assert set(handled) >= confirmed


def round_of(platform: Platform, sink: Sink, left: list[str], confirmed: set[str], kill_after: int | None) -> None:
    """Put what is left, four at a time, until the platform is killed in the midst of it."""
    s3 = client(platform, "s3")
    s3.create_bucket(Bucket="kept")
    wanted = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": sink.arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="kept", NotificationConfiguration=wanted)
    done: set[str] = set()
    ended = threading.Event()

    def put(keys: Iterable[str]) -> None:
        for key in keys:
            if ended.is_set():
                return
            try:
                s3.put_object(Bucket="kept", Key=key, Body=b"x")
            except (BotoCoreError, ClientError):
                continue
            done.add(key)
            if kill_after is not None and len(done) >= kill_after:
                platform.process.kill()
                ended.set()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, [left[n::4] for n in range(4)]))
    confirmed |= done
    left[:] = [key for key in left if key not in done]
    if kill_after is not None:
        eventually(lambda: not alive(platform.process.pid))
