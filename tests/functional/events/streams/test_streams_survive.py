"""Every record of a stream is handled at least once, however often the platform or an instance is killed."""

from __future__ import annotations

import signal
from collections import defaultdict
from pathlib import Path

import pytest

from tests.functional.events.streams.readers import Reader, Stream, eventually
from tests.functional.faas.aws import Aws
from tests.functional.faas.platform import Platform, alive

RECORDS = 10_000
KEYS = 40


@pytest.mark.timeout(300)
def test_every_record_comes_at_least_once_and_each_key_in_its_order(tmp_path: Path) -> None:
    """The order of a key goes backwards only where a kill made records come again."""
    with Aws() as aws:
        arguments = ("--state", str(tmp_path / "state"), "--retry-scale", "0.01", "--aws-endpoint", aws.endpoint)
        stream = Stream(aws, shards=4)
        stream.put(range(RECORDS), keys=KEYS)
        lives: list[list[int]] = []
        platform = Platform(*arguments)
        try:
            reader = Reader(platform, tmp_path)
            reader.read(stream.arn, BatchSize=50, ParallelizationFactor=2)
            for wanted in (500, 2000, 5000):
                eventually(lambda: len(reader.all()) >= wanted, 60)  # noqa: B023  # used at once
                platform.stop(signal.SIGKILL)
                eventually(lambda: not any(map(alive, reader.pids())))  # what it had given them still counts to it
                lives.append(reader.all()[sum(map(len, lives)) :])
                platform = Platform(*arguments)
            eventually(lambda: len(set(reader.all())) >= 8000, 60)
            for instance in platform.instances(reader.name):
                platform.raw("DELETE", f"/_workbench/functions/{reader.name}/instances/{instance['instance_id']}")
            eventually(lambda: len(set(reader.all())) == RECORDS, 90)
        finally:
            platform.stop()
        lives.append(reader.all()[sum(map(len, lives)) :])
    assert {n for life in lives for n in life} == set(range(RECORDS))
    assert len(set(range(KEYS)) & set(lives[-1])) < KEYS / 2, "it began anew instead of going on"
    for life in lives:
        by_key = defaultdict(list)
        for number in life:
            by_key[number % KEYS].append(number)
        for numbers in by_key.values():
            first = list(dict.fromkeys(numbers))
            assert first == sorted(first)
            assert life is lives[-1] or numbers == first, "there was no reason for any to come again"
    ended: dict[int, int] = {}
    for life in lives:  # a life goes on at most one record behind what was there of a key
        for key in {number % KEYS for number in life}:
            mine = [number for number in life if number % KEYS == key]
            assert mine[0] <= ended.get(key, key - KEYS) + KEYS
            ended[key] = max(mine[-1], ended.get(key, 0))
