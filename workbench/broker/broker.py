"""The broker seen by who started it: its address, queues, and what became of the messages in them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pika
import pika.exceptions

from workbench import capabilities
from workbench.errors import CapabilityMissing, DeploymentError
from workbench.session import VARIABLE, session_dir, session_id

FAREWELL = b"end\n"
"""What is said to the node's owner before its standard input is closed: who was killed says nothing."""

USER = "workbench"
_CLOSE_WITHIN_S = 10
_CLOSING = re.compile(r"closing AMQP connection \S+ \([^)]* - (?P<name>[^)]*)\):\n(?P<why>[^\n]+)")


@dataclass(frozen=True)
class Taken:
    """A message taken from a queue: what it holds, and whether it had been given to somebody before."""

    body: Any
    redelivered: bool


class Broker:
    """A RabbitMQ node as a child of this process; a context manager that ends it. Not to be shared by threads.

    Starting takes some seconds. Raises CapabilityMissing where RabbitMQ is not installed, DeploymentError when it does
    not start.
    """

    def __init__(self) -> None:
        found = capabilities.rabbitmq()
        if not found:
            raise CapabilityMissing(f"RabbitMQ: {found.detail}", found.remedy)
        self._password = secrets.token_urlsafe(24)
        self._home = Path(tempfile.mkdtemp(prefix="broker-", dir=session_dir()))
        self._connection: pika.BlockingConnection | None = None
        self._process = self._start()
        try:
            self.port = self._wait_until_ready()
            settings = pika.URLParameters(self.url)
            settings.heartbeat = 0  # this end is not watched: it has no thread to answer with
            self._connection = pika.BlockingConnection(settings)
            self._channel = self._connection.channel()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """Where a client on this machine finds it, with name and password."""
        return f"amqp://{USER}:{self._password}@127.0.0.1:{self.port}/"

    def make(self, queue: str) -> None:
        """Make a queue; one that is there is emptied."""
        self._channel.queue_declare(queue)
        self._channel.queue_purge(queue)

    def publish(self, queue: str, body: Any) -> None:
        """Put a message into the queue, as JSON."""
        self._channel.basic_publish("", queue, json.dumps(body).encode())

    def depth(self, queue: str) -> tuple[int, int]:
        """Messages that wait to be given out (not those given out and not acknowledged), and the consumers."""
        told = self._channel.queue_declare(queue, passive=True).method
        return int(told.message_count), int(told.consumer_count)

    def take(self, queue: str) -> list[Taken]:
        """Take out, and acknowledge, all that wait in the queue."""
        taken: list[Taken] = []
        while True:
            told, _, body = self._channel.basic_get(queue, auto_ack=True)
            if told is None:
                return taken
            taken.append(Taken(json.loads(body), bool(told.redelivered)))

    def closed(self, name: str) -> str:
        """Why the broker closed the connection of this name, in the words of its log; empty where it did not."""
        found = [m["why"] for m in _CLOSING.finditer(self._log()) if m["name"] == name]
        return re.sub(r"^\S+ \S+ \[\w+\] \S+ ", "", found[-1]).strip() if found else ""

    def close(self) -> None:
        """End it and remove what it kept."""
        with contextlib.suppress(pika.exceptions.AMQPError, OSError):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(FAREWELL)  # without it, the end of this means that we were killed
            self._process.stdin.close()
        try:
            self._process.wait(_CLOSE_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its children die with it, by the kernel's hand
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.broker.owner", str(self._home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, VARIABLE: session_id()},
            start_new_session=True,  # Ctrl-C is ours to handle
        )
        assert process.stdin is not None
        process.stdin.write(f"{self._password}\n".encode())  # not on its command line, which everybody can read
        return process

    def _wait_until_ready(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            return int(json.loads(line)["port"])
        except (ValueError, KeyError, TypeError) as error:
            said = "\n".join(self._log().splitlines()[-20:]) or "(it printed nothing)"
            raise DeploymentError(f"RabbitMQ did not start. It last said:\n{said}") from error

    def _log(self) -> str:
        with contextlib.suppress(OSError):
            return (self._home / "log").read_text(errors="replace")
        return ""
