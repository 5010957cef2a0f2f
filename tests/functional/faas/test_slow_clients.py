"""Clients that are slow, silent, many or gone: the real platform serves others as if these were not there."""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.functional.faas.platform import Platform, eventually

PATH = "/2015-03-31/functions/{}/invocations"


def connected(platform: Platform) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(platform.endpoint.rpartition(":")[2])), timeout=30)


def descriptors(platform: Platform) -> int:
    return psutil.Process(platform.process.pid).num_fds()


def reset(connection: socket.socket) -> None:
    """Close it with an RST instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this user may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_idle_connections_disturb_nobody(platform: Platform, function: str, many_files: None) -> None:
    platform.value(function)
    before = descriptors(platform)
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(connected(platform))
        eventually(lambda: descriptors(platform) >= before + 1000)
        assert [platform.value(function)["count"] for _ in range(3)] == [2, 3, 4]
    eventually(lambda: descriptors(platform) < before + 20)


@pytest.mark.parametrize(
    "begun",
    [
        b"P",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nX-Half: ",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
)
def test_requests_that_stop_or_break_half_way_disturb_nobody(platform: Platform, function: str, begun: bytes) -> None:
    platform.value(function)
    before = descriptors(platform)
    halves = [connected(platform) for _ in range(50)]
    for half in halves:
        half.sendall(begun)
    assert [platform.value(function)["count"] for _ in range(3)] == [2, 3, 4]
    for half in halves:
        reset(half)
    eventually(lambda: descriptors(platform) < before + 10)
    assert platform.value(function)["count"] == 5


def test_a_request_byte_by_byte_is_answered(platform: Platform) -> None:
    with connected(platform) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /_workbench/health HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_sent_ahead_are_answered_in_order(platform: Platform) -> None:
    with connected(platform) as connection, connection.makefile("rb") as answers:
        sent = b"".join(b"GET /no/%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(50))
        connection.sendall(sent + b"GET /_workbench/health HTTP/1.1\r\nConnection: close\r\n\r\n")
        whole = answers.read()
    statuses = [part.split(b" ")[0] for part in whole.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"403"] * 50 + [b"200"]


def test_who_hangs_up_before_the_answer_leaves_no_trace(platform: Platform, function: str) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    before = descriptors(platform)
    request = AWSRequest("POST", platform.endpoint + PATH.format(function), data=b'{"sleep": 0.5}')
    keys = Credentials(platform.ready["access_key_id"], platform.ready["secret_access_key"])
    SigV4Auth(keys, "lambda", "us-east-1").add_auth(request)
    fields = {**dict(request.headers), "Host": platform.endpoint.removeprefix("http://"), "Content-Length": "14"}
    head = f"POST {PATH.format(function)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    with connected(platform) as connection:
        connection.sendall(head.encode() + b'\r\n{"sleep": 0.5}')
        eventually(lambda: any(i["state"] == "busy" for i in platform.instances(function)))
        reset(connection)
    assert platform.value(function)["count"] >= 1
    eventually(lambda: sum(i["invocations"] for i in platform.instances(function)) == 2)
    eventually(lambda: descriptors(platform) < before + 20)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nX-Huge: " + b"x" * 300_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 50_000 + b"\r\n", b"431"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", b"403"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"403"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_told_so_in_json(platform: Platform, sent: bytes, status: bytes) -> None:
    with connected(platform) as connection:
        connection.sendall(sent)
        answer = connection.recv(65536)
    assert answer.split(b" ")[1] == status
    assert b"x-amzn-errortype: " in answer
    assert platform.raw("GET", "/_workbench/health", signed=False).status_code == 200
