"""A real RabbitMQ of the session's own: queues, its end with its owner, and a consumer in each deployment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pika.exceptions
import psutil
import pytest

from tests.needs import check, needs
from workbench.broker import Broker
from workbench.labs import stops
from workbench.session import VARIABLE

pytestmark = [needs("rabbitmq"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    check("rabbitmq")
    with Broker() as broker:
        yield broker


def test_a_message_that_was_not_acknowledged_comes_again(broker: Broker) -> None:
    broker.make("orders")
    for number in range(3):
        broker.publish("orders", {"order": number})
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as other:
        told, _, _ = other.channel().basic_get("orders")
        assert told.redelivered is False
    taken = broker.take("orders")
    assert sorted((one.body["order"], one.redelivered) for one in taken) == [(0, True), (1, False), (2, False)]
    assert broker.depth("orders") == (0, 0)


def test_nobody_gets_in_without_the_password(broker: Broker) -> None:
    for name, password in (("guest", "guest"), ("workbench", "guess")):
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(pika.URLParameters(f"amqp://{name}:{password}@127.0.0.1:{broker.port}/"))


def test_it_listens_on_loopback_alone(broker: Broker) -> None:
    owner = psutil.Process(broker._process.pid)
    processes = [owner, *owner.children(recursive=True)]
    listening = [c for p in processes for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    assert broker.port in {c.laddr.port for c in listening}
    assert {c.laddr.ip for c in listening} <= {"127.0.0.1", "::1"}
    assert broker._password not in " ".join(word for p in processes for word in p.cmdline())


OWNER = """
import os, sys
from workbench.broker import Broker
broker = Broker()
print(broker._home, broker._process.pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_an_owner_that_was_killed() -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as owner:
        assert owner.stdout is not None
        home, pid = owner.stdout.readline().split()
        process = psutil.Process(int(pid))
        all_of_it = [process, *process.children(recursive=True)]
        assert any("beam" in one.name() for one in all_of_it)
        owner.send_signal(signal.SIGKILL)
    psutil.wait_procs(all_of_it, timeout=20)
    assert [one for one in all_of_it if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    deadline = time.monotonic() + 10
    while Path(home).parent.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(home).parent.exists(), "the killed session's directory is still there"


@needs("namespaces")
def test_a_consumer_goes_on_in_a_container_and_vm_style_and_freezes_in_a_function(broker: Broker) -> None:
    with stops.listening(broker) as ways:
        function, *others = stops.consumed(broker, ways)
    assert [one.deployment for one in others] == ["container", "vm"]
    for one in others:
        assert (one.detail["handled"], one.detail["left"], one.detail["redelivered"]) == (80, 0, 0)
    assert function.detail["handled"] + function.detail["left"] == 80
    assert function.detail["left"] > 40
    assert function.detail["redelivered"] >= 1  # what had been given to it ahead
    assert "missed heartbeats" in function.detail["broker_said"]
    assert "StreamLostError" in function.detail["ended"]


@needs("namespaces")
def test_a_function_that_stays_to_listen_is_ended_by_its_time_limit(broker: Broker) -> None:
    with stops.listening(broker) as ways:
        function, *others = stops.consumed(broker, ways, stay=True)
    assert "Task timed out after 3.00 seconds" in function.detail["answer"]
    assert function.detail["handled"] > 0
    assert function.detail["left"] > 0
    assert function.detail["broker_said"] == ""
    assert [one.detail["handled"] for one in others] == [80, 80]


def test_it_ends_when_the_process_between_is_killed(broker: Broker) -> None:
    """The last test: the module's broker is gone after it."""
    owner = psutil.Process(broker._process.pid)
    children = owner.children(recursive=True)
    assert any("beam" in one.name() for one in children)
    owner.kill()
    psutil.wait_procs(children, timeout=20)
    assert [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
