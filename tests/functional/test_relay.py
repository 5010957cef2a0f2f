"""The relay between an owner and an inside that can only connect out, without the sandbox around the inside."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.functional.sandboxes.boxes import Marks, eventually
from workbench.isolation.engine.docker_home import Home
from workbench.isolation.engine.docker_relay import ControlRelay, HttpRelay
from workbench.runtimes import wb_http, wb_relayed


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home", by_socket=True)
    yield made
    made.close()


class Inside:
    """An inside in this process: its server, and its end of the control channel."""

    def __init__(self, home: Home) -> None:
        self.owners, self.control = socket.socketpair()
        self.relay = HttpRelay(home)
        self.relay.start(self.owners)
        self._listener = wb_relayed.Listener(str(home.path))
        self._server = wb_http.Server(
            self._listener, lambda request: (200, [("X-Method", request.method)], request.body or b"empty")
        )
        self._thread = threading.Thread(target=self._server.serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """As when its sandbox ends."""
        self._server._stopping = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self.control.close()

    def post(self, body: bytes = b"") -> bytes:
        with urllib.request.urlopen(self.relay.address, data=body, timeout=30) as answer:
            assert answer.headers["X-Method"] == "POST"
            read: bytes = answer.read()
            return read

    def connect(self) -> socket.socket:
        parts = urlsplit(self.relay.address)
        return socket.create_connection((str(parts.hostname), parts.port or 0), timeout=30)


@pytest.fixture
def inside(home: Home) -> Iterator[Inside]:
    made = Inside(home)
    yield made
    made.end()
    made.relay.close()
    made.owners.close()


def test_a_large_body_goes_in_and_comes_out_whole(inside: Inside) -> None:
    body = os.urandom(4 * 2**20)
    assert inside.post(body) == body


def test_clients_that_say_nothing_hold_up_nobody(inside: Inside) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(inside.connect())
        assert inside.post(b"x") == b"x"


def test_many_at_a_time_are_all_answered(inside: Inside) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: inside.post(b"%d" % n), range(64)))
    assert answers == [b"%d" % n for n in range(64)]


def test_a_client_that_goes_away_is_seen_to_be_gone(inside: Inside) -> None:
    gone = inside.connect()
    gone.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npart")
    assert eventually(lambda: len(inside.relay._open) == 1)
    gone.close()
    assert eventually(lambda: not inside.relay._open)
    assert inside.post(b"x") == b"x"


def test_when_the_inside_has_ended_clients_are_refused(inside: Inside) -> None:
    assert inside.post() == b"empty"
    inside.end()

    def refused() -> bool:
        try:
            inside.connect().close()
        except ConnectionRefusedError:
            return True
        return False

    assert eventually(refused)


def test_closed_it_breaks_the_connections_that_are_open(inside: Inside) -> None:
    with inside.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        inside.relay.close()
        assert client.recv(65536) == b""


def test_marks_come_on_the_owners_clock_with_the_listeners_made_there(home: Home) -> None:
    theirs, ours = socket.socketpair()
    relay = ControlRelay(home, (9000,), runtime_api=True)
    relay.start(ours)
    marks, hour = Marks(relay.control), 3_600_000_000_000
    began = time.monotonic_ns()
    for mark in (
        {
            "mark": "sandbox_ready",
            "at_ns": time.monotonic_ns() - hour - 5_000_000,
            "sent_ns": time.monotonic_ns() - hour,
        },
        {"mark": "listener", "at_ns": time.monotonic_ns() - hour, "port": 9000},
        {"mark": "runtime_ready", "at_ns": time.monotonic_ns() - hour},
    ):
        theirs.sendall(json.dumps(mark).encode() + b"\n")
    seen = [marks.next() for _ in range(3)]
    ended = time.monotonic_ns()
    times = [mark["at_ns"] for mark in seen if mark]
    assert times == sorted(times)
    assert began - 5_000_000 <= times[0] <= times[-1] <= ended
    assert "sent_ns" not in (seen[0] or {})
    runtime, port = marks.descriptors
    for descriptor, name in ((runtime, wb_relayed.RUNTIME), (port, wb_relayed.port_socket(9000))):
        with socket.socket(fileno=descriptor) as listener, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(home.path / name))
            accepted, _ = listener.accept()
            accepted.close()
    theirs.close()
    assert marks.next() is None, "the channel ends with the inside"
    relay.close()
    relay.control.close()


@pytest.mark.parametrize(
    "said", [b"no mark\n", b"[]\n", b'{"mark": "sandbox_ready"}\n', array.array("i", [7]).tobytes()]
)
def test_what_is_no_mark_ends_the_channel(home: Home, said: bytes) -> None:
    theirs, ours = socket.socketpair()
    relay = ControlRelay(home, (), runtime_api=True)
    relay.start(ours)
    theirs.sendall(said)
    theirs.close()
    assert Marks(relay.control).next() is None
    relay.close()
    relay.control.close()
