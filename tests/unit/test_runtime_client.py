"""The transport under AWS's runtime client, against a Runtime API that says what it is told, however cut."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench

sys.path.append(str(Path(workbench.__file__).with_name("runtimes")))
import wb_client

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nOK"


def work(payload: bytes, request: str = "r1") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {request}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


class Server:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.heard = b""

    def say(self, *answers: bytes, step: int = 65536) -> None:
        """Answer the client's next connection with these bytes, each when something was heard."""

        def serve() -> None:
            peer, _ = self._listener.accept()
            with peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for answer in answers:
                    self.heard += peer.recv(2**20)
                    for place in range(0, len(answer), step):
                        peer.sendall(answer[place : place + step])

        self._thread = threading.Thread(target=serve)
        self._thread.start()

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def connection(server: Server) -> Any:
    return wb_client._Connection(server.address)


def test_an_answer_goes_out_with_the_wish_for_more(server: Server) -> None:
    server.say(work(b"1"), ACCEPTED + work(b"2", "r2"))
    client = connection(server)
    assert client.next() == ({"lambda-runtime-aws-request-id": "r1", "content-length": "1"}, b"1")
    client.post("r1", "response", "application/json", b'"one"')
    assert server.heard.count(b"HTTP/1.1") == 1, "nothing is sent before there is more to ask for"
    headers, payload = client.next()
    assert (headers["lambda-runtime-aws-request-id"], payload) == ("r2", b"2")
    server.close()
    assert b"POST /2018-06-01/runtime/invocation/r1/response" in server.heard
    assert b'Content-Length: 5\r\n\r\n"one"GET /2018-06-01/runtime/invocation/next' in server.heard


def test_after_an_answer_that_was_too_large_comes_the_next_invocation(server: Server) -> None:
    too_large = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"
    server.say(work(b"1"), too_large + work(b"2", "r2"))
    client = connection(server)
    client.next()
    client.post("r1", "response", "application/json", b'"one"')
    headers, payload = client.next()
    assert (headers["lambda-runtime-aws-request-id"], payload) == ("r2", b"2")
    server.close()


@settings(max_examples=25, deadline=None)
@given(payload=st.binary(max_size=200_000), step=st.integers(1, 3_000))
def test_it_comes_whole_however_it_is_cut(payload: bytes, step: int) -> None:
    server = Server()
    server.say(work(payload), ACCEPTED + work(b"after", "r2"), step=max(step, len(payload) // 200 + 1))
    client = connection(server)
    assert client.next()[1] == payload
    client.post("r1", "response", "text/plain", b"")
    assert client.next()[1] == b"after"
    server.close()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nwhat",), "403.*what"),
        ((work(b"{}"), b"HTTP/1.1 500 Broken\r\nContent-Length: 3\r\n\r\nbad"), "500.*bad"),
        ((b"HTTP/1.1 200 OK\r\nContent-Le",), "gone"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",), "gone"),
    ],
)
def test_what_is_no_invocation_ends_the_runtime_with_its_words(
    server: Server, answers: tuple[bytes, ...], words: str
) -> None:
    server.say(*answers)
    client = connection(server)

    def work_on() -> None:
        for _ in range(2):
            client.next()
            client.post("r1", "response", "application/json", b"{}")

    with pytest.raises(RuntimeError, match=words):
        work_on()
