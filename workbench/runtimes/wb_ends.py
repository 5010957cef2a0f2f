"""The descriptors of one fork: those by which it is built and waits, then those that its order brings."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket

import wb_kernel  # type: ignore[import-not-found]

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

CONTROL = 3
"""The inside's end of the control channel, in every box."""
_LONGEST_ORDER, _MOST_DESCRIPTORS = 1 << 18, 64


def receive(channel: int) -> tuple[bytes, list[int]]:
    """One packet and its descriptors; nothing at the end of the channel."""
    end = socket.socket(fileno=channel)
    try:
        data, numbers, _, _ = socket.recv_fds(end, _LONGEST_ORDER, _MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    finally:
        end.detach()
    return data, numbers


class Ends:
    """`orders`, `told` and `alive` from the fork on; with its order `setup`, `control`, `output` and what else it has.

    `http` is a listening socket, `template` the orders of a template, `groupN` files by which a control group is
    entered, `bindN` what is to be shown at the order's `binds`.
    """

    def __init__(self, numbers: dict[str, int], *, ordered: bool) -> None:
        self._numbers = numbers
        self.ahead = not ordered

    @property
    def setup(self) -> int:
        """Where the owner listens while the box is built."""
        return self._numbers["setup"]

    def take_order(self) -> dict[str, Any]:
        """Wait for the order, and tell the owner this process's number by the kernel's word."""
        data, numbers = receive(self._numbers["orders"])
        if not data:
            os._exit(0)  # who this is forked from is gone
        order: dict[str, Any] = json.loads(data)
        shown = [f"bind{at}" for at in range(len(numbers) - len(order["descriptors"]))]
        self._numbers.update(zip((*order["descriptors"], *shown), numbers, strict=True))
        for name in ("orders", "life"):
            os.close(self._numbers.pop(name))
        os.write(self.setup, b'{"built": false}\n')
        return order

    def move(self) -> None:
        """Give each its place, and close every other descriptor there is, whosever it is."""
        numbers = self._numbers
        # First out of the way of one another: a copy never lands on what is still needed.
        moved = {name: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for name, number in numbers.items()}
        places = {"output": 1, "control": CONTROL}
        places.update({name: CONTROL + 1 + at for at, name in enumerate(sorted(set(moved) - set(places)))})
        for name, number in moved.items():
            os.dup2(number, places[name], inheritable=name == "output")
        os.dup2(1, 2)
        os.closerange(CONTROL + len(places) - 1, 1 << 20)
        self._numbers = places

    def take_over(self) -> None:
        """Give the output and the control channel their places, in a process that has other descriptors to keep."""
        for name, places in (("output", (1, 2)), ("control", (CONTROL,))):
            number = self._numbers[name]
            for place in places:
                os.dup2(number, place, inheritable=name == "output")
            os.close(number)
        self._numbers.update(output=1, control=CONTROL)

    def wait_for_parent(self) -> None:
        """Have the kernel end this process with its parent, once that is the one which reaps it."""
        told, alive = self._numbers.pop("told"), self._numbers.pop("alive")
        # Only then, as the signal comes at the end of whoever is the parent: the middle process has to be gone before.
        if os.read(told, 1) != b"!":
            os._exit(0)  # the parent is gone
        wb_kernel.die_with_parent(signal.SIGKILL)
        if select.select([alive], [], [], 0)[0]:
            os._exit(0)
        os.close(told)
        os.close(alive)

    def tell_parent(self, pid: int) -> None:
        """Tell who reaps it the pid of the inner process."""
        os.write(self._numbers["told"], b"%d" % pid)

    def show(self, binds: list[list[str]]) -> None:
        """Show what came with the order, each at its target."""
        for at, (_, target) in enumerate(binds):
            wb_kernel.at(step_of(target))
            number = self._numbers.pop(f"bind{at}")
            wb_kernel.show_tree(number, f"/{target}")
            os.close(number)

    def enter_groups(self) -> None:
        """Enter the control groups whose files the owner has opened.

        A thread that moves itself ("0") through v1's `tasks` needs no lock over all processes of the machine, which
        costs a grace period of several milliseconds; see cgroup_procs_write_start() in Linux, kernel/cgroup/cgroup.c.
        """
        wb_kernel.at("entering the control groups")
        for name in [name for name in self._numbers if name.startswith("group")]:
            number = self._numbers.pop(name)
            os.write(number, b"0")
            os.close(number)

    def receive(self) -> dict[str, str]:
        """The instance's variables: they come on its own channel, and never through who it is forked from."""
        data = b""
        while not data.endswith(b"\n"):
            more = os.read(self.setup, 65536)
            if not more:
                os._exit(0)  # the owner is gone
            data += more
        received: dict[str, str] = json.loads(data)
        return received

    def environment(self) -> dict[str, str]:
        """The variables by which a program finds those that are for it."""
        found = {"WORKBENCH_CONTROL_FD": str(CONTROL)}
        for name, variable in (("http", "WORKBENCH_LISTEN_FD"), ("template", "WORKBENCH_TEMPLATE_FD")):
            if name in self._numbers:
                found[variable] = str(self._numbers[name])
        return found

    def keep(self) -> None:
        """Let what is for the program stay open when it is started."""
        for number in self.environment().values():
            os.set_inheritable(int(number), True)

    def close(self) -> None:
        """Close what was for building the box; the owner sees by it that it is built."""
        os.close(self._numbers.pop("setup"))

    def guarded(self, action: Callable[[], None]) -> None:
        """Do `action`; where it fails, tell the owner at which step, and end."""
        try:
            action()
            return
        except BaseException as error:
            answer = wb_kernel.failure(error)
        try:
            if "setup" not in self._numbers:
                self._find_who_to_tell()
            os.write(self.setup, json.dumps(answer).encode() + b"\n")
        finally:
            os._exit(126)

    def _find_who_to_tell(self) -> None:
        # Nobody has ordered what was forked ahead; its parent finds out by its end, or when an order finds no reader.
        if self.ahead:
            channel = socket.socket(fileno=self._numbers["orders"])
            channel.shutdown(socket.SHUT_RD)
            channel.detach()
        self.take_order()


def step_of(target: str) -> str:
    """What showing something at `target` is called."""
    return "mounting the code" if target == "var/task" else f"mounting /{target}"
