"""What a long-running instance may reach of this machine: which sandboxes can, and the passing on itself."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from workbench.deployments.outbound import Outbound, to_pass_on
from workbench.errors import DeploymentError
from workbench.samples import sample


def test_only_a_box_with_a_network_of_its_own_needs_passing_on() -> None:
    service = sample("pricing").reaching(5432, 6379)
    assert service.outbound == "5432 6379"
    assert to_pass_on(service, "namespaces") == "5432 6379"
    assert to_pass_on(service, "process") == ""
    assert to_pass_on(sample("pricing"), "docker") == ""


@pytest.mark.parametrize(
    ("outbound", "sandbox", "said"),
    [
        ("5432", "docker", "cannot be given ports"),
        ("80=127.0.0.1:8080", "process", "cannot lead elsewhere"),
        ("http", "namespaces", "is not PORT"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(outbound: str, sandbox: str, said: str) -> None:
    with pytest.raises(DeploymentError, match=said):
        to_pass_on(replace(sample("pricing"), outbound=outbound), sandbox)


def test_a_service_in_another_language_is_refused() -> None:
    with pytest.raises(DeploymentError, match="in Python"):
        to_pass_on(replace(sample("pricing_node"), outbound="5432"), "namespaces")


def test_bytes_go_both_ways_until_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        passing = Outbound(f"5432=127.0.0.1:{there.getsockname()[1]}")
        assert passing.ports == (5432,)
        inside = socket.create_server(("127.0.0.1", 0))
        address = inside.getsockname()
        passing.serve(5432, inside)
        with socket.create_connection(address, timeout=10) as client:
            client.sendall(b"ping")
            server, _ = there.accept()
            with server:
                assert server.recv(4) == b"ping"
                server.sendall(b"pong")
                assert client.recv(4) == b"pong"
                passing.close()
                assert server.recv(1) == b""
                assert client.recv(1) == b""
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address, timeout=10)


def test_a_listener_that_nobody_asked_for_is_closed() -> None:
    passing = Outbound("5432")
    unasked = socket.create_server(("127.0.0.1", 0))
    passing.serve(80, unasked)
    assert unasked.fileno() == -1
    passing.close()
