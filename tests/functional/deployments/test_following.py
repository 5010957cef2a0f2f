"""What goes on at a platform, followed line by line until somebody closes it or the platform ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import workbench as wb
from workbench.deployments.following import Following
from workbench.deployments.standing import StandingPlatform
from workbench.errors import DeploymentError


@pytest.fixture(scope="module")
def platform() -> Iterator[StandingPlatform]:
    with wb.platform("process") as running:
        yield running


def follow(following: Following) -> tuple[queue.Queue[dict[str, Any]], threading.Thread]:
    lines: queue.Queue[dict[str, Any]] = queue.Queue()
    thread = threading.Thread(target=lambda: [lines.put(line) for line in following], daemon=True)
    thread.start()
    return lines, thread


def test_each_line_comes_as_it_happens_and_closing_ends_it(platform: StandingPlatform) -> None:
    desk = platform.deploy(wb.sample("desk"))
    following = platform.follow(f"/_workbench/functions/{desk.function}/events?follow")
    lines, thread = follow(following)
    assert desk.invoke({"order": "tea"}).payload == {"way": "direct", "orders": 1}
    assert lines.get(timeout=30)["state"] == "starting"
    following.close()
    thread.join(30)
    assert not thread.is_alive()
    desk.close()


def test_it_ends_with_the_platform() -> None:
    with wb.platform("process") as ending:
        desk = ending.deploy(wb.sample("desk"))
        following = ending.follow(f"/_workbench/functions/{desk.function}/events?follow")
        _, thread = follow(following)
    thread.join(30)
    assert not thread.is_alive()
    following.close()


def test_what_is_not_there_is_refused(platform: StandingPlatform) -> None:
    with pytest.raises(DeploymentError, match="refused GET /_workbench/functions/none/events"):
        platform.follow("/_workbench/functions/none/events?follow")


def test_a_deployment_says_its_name_and_arn(platform: StandingPlatform) -> None:
    desk = platform.deploy(wb.sample("desk"))
    found = platform.client("lambda").get_function_configuration(FunctionName=desk.function)
    assert desk.arn == found["FunctionArn"]
    desk.close()
