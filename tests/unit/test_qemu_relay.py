"""What a virtual machine says is passed on; what is no mark ends its channel, and never the one who listens."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from workbench.isolation.machine.qemu_relay import LONGEST_MARK, Relay


@dataclass
class Machine:
    """A machine's ends of what a relay reads, and the owner's end of what it passes on."""

    relay: Relay
    control: socket.socket
    console: socket.socket
    owner: socket.socket


@pytest.fixture
def machine() -> Iterator[Machine]:
    with contextlib.ExitStack() as stack:
        (control, heard), (console, shown), (owner, outside), (read, output) = (socket.socketpair() for _ in range(4))
        for end in (control, console, owner, read):
            end.settimeout(10)
            stack.enter_context(end)
        relay = Relay("unit", heard, shown, outside, output)
        relay.start()
        yield Machine(relay, control, console, owner)
        control.close()
        console.close()
        relay.join()


def test_a_mark_gets_the_time_at_which_it_came_out(machine: Machine) -> None:
    machine.control.sendall(b'{"mark": "runtime_ready", "at_ns": 1}\n')
    passed = json.loads(machine.owner.recv(4096))
    assert passed["mark"] == "runtime_ready"
    assert passed["at_ns"] > 1


@pytest.mark.parametrize(
    "said",
    [b"no mark\n", b"[]\n", b"7\n", b'{"at_ns": 1}\n', b'{"mark": ["a"]}\n', b"\xff\xfe\n", b"[" * 100_000 + b"\n"],
    ids=["text", "list", "number", "nameless", "no name", "no text", "deep"],
)
def test_what_is_no_mark_ends_the_channel_and_the_console_is_still_heard(machine: Machine, said: bytes) -> None:
    machine.control.sendall(said)
    assert machine.owner.recv(4096) == b"", "the owner sees that the instance is of no more use"
    assert machine.control.recv(4096) == b"", "the machine sees what it sees when its owner is gone"
    machine.console.sendall(b"@workbench exit 3\r\n")
    machine.control.close()
    machine.console.close()
    machine.relay.join()
    assert machine.relay.exit_code == 3


def test_a_mark_without_an_end_is_not_kept(machine: Machine) -> None:
    with contextlib.suppress(OSError):
        for _ in range(LONGEST_MARK // 65536 + 2):
            machine.control.sendall(b"x" * 65536)
    assert machine.owner.recv(4096) == b""
