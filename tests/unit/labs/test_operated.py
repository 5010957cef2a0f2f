"""What happened to instances, as a lab shows it."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from workbench.deployments.supervision import Supervision, Uptime
from workbench.errors import DeploymentError, HandlerError
from workbench.instance import InstanceEvent, InstanceState
from workbench.labs import hang, refused, replaced_after_ms, story, supervised
from workbench.samples import sample
from workbench.session import VARIABLE, session_id

EVENTS = (
    InstanceEvent(100.0, "vm-shop-1", InstanceState.STARTING, "scaled up"),
    InstanceEvent(100.5, "vm-shop-1", InstanceState.IDLE, "ready after 500 ms"),
    InstanceEvent(107.0, "vm-shop-1", InstanceState.FAILED, "did not answer\nand more"),
    InstanceEvent(107.1, "vm-shop-2", InstanceState.STARTING, "restarted"),
    InstanceEvent(107.4, "vm-shop-2", InstanceState.IDLE, "ready after 300 ms"),
)


def test_a_story_counts_from_its_first_event_and_says_why_on_a_line() -> None:
    lines = story(EVENTS, last=3).text.replace("\u00a0", " ").splitlines()
    assert lines[1].split("  ")[0] == "0.00 s"
    assert "did not answer" in lines[1]
    assert "and more" not in story(EVENTS).text
    assert lines[3].startswith("0.40 s")
    assert story(()).text


def test_the_replacement_is_the_next_one_started_not_one_that_was_there() -> None:
    assert replaced_after_ms(EVENTS, 101.0) == pytest.approx(6400)
    assert replaced_after_ms(EVENTS, 107.2) is None
    assert replaced_after_ms(EVENTS[:4], 101.0) is None


def test_those_that_live_are_told_from_those_that_replaced_another() -> None:
    account = Supervision(1, 1, (Uptime("vm-shop-2", 9.0, 300.0, False), Uptime("vm-shop-3", 1.0, None, True)))
    text = supervised(account).text
    assert "in another's place" in text
    assert "asked for" in text
    assert "1 ended against our will" in supervised(account).title


def test_a_refusal_is_what_was_said_and_nothing_else_is_one() -> None:
    service = sample("pricing")

    def refuse(_: object, within_s: float) -> None:
        raise HandlerError(f"not in {within_s}", "ImportError", [])

    assert "not in 3" in refused(refuse, service, within_s=3)
    assert refused(lambda _: None, service) == ""


def test_a_process_of_the_instance_is_stopped_where_it_is() -> None:
    environment = {**os.environ, VARIABLE: session_id(), "WORKBENCH_INSTANCE": "vm-hung-1"}
    process = subprocess.Popen([sys.executable, "-c", "print('x', flush=True); input()"], env=environment,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert process.stdout is not None
        process.stdout.readline()
        hang("vm-hung-1")
        os.waitpid(process.pid, os.WUNTRACED)  # returns once it has stopped
        assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
    finally:
        process.kill()
        process.communicate()
    with pytest.raises(DeploymentError, match="vm-hung-1"):
        hang("vm-hung-1")
