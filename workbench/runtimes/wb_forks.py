"""A process that is forked for each order that it gets: what the zygote and a template of a function have in common.

It takes the place of a helper process for each instance: it reaps them, reports how they ended, and ends one whose
owner has closed the control channel.

The owner sends orders as JSON, one in each packet, with descriptors that its `descriptors` names in their order.
`{"kill": number}` ends that instance. A fork answers on the order's `setup` channel; the wait status is written to its
`life` pipe. End of file from the owner ends this process, and with it its forks (`PR_SET_PDEATHSIG`).
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from typing import Any


class Forks:
    """What has been forked. All descriptors are plain numbers: an object would close another's number in a fork."""

    def __init__(self, orders: int) -> None:
        self._orders = orders
        self._starting: dict[int, tuple[int, int, int, int]] = {}  # by middle pid: number, told, life, control
        self._living: dict[int, tuple[int, int, int]] = {}  # by inner pid: number, life, control
        self._pids: dict[int, int] = {}  # by the owner's number
        self._doomed: set[int] = set()  # numbers to be ended as soon as their pid is known
        self._controls: dict[int, int] = {}  # control descriptor -> number
        self._poll = select.poll()
        # Its write end is held by this process alone: its end tells a fork that this one is gone.
        self._alive, self._alive_end = os.pipe()
        self._woken, self._wake = os.pipe()
        for number in (self._woken, self._wake):
            os.set_blocking(number, False)

    def serve(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Take orders until the end; returns in a fork alone, with its order and its descriptors by name.

        A fork has `told` and `alive` besides those it was sent, and none of this process.
        """
        wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        handler_before = signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (self._woken, self._orders):
            self._poll.register(number, select.POLLIN)
        gc.collect()
        gc.freeze()  # so that no fork's collector writes to, and so copies, what is shared
        while True:
            ready = {number for number, _ in self._poll.poll()}
            # In this order: reaping closes descriptors, and an order may come with others of the same numbers.
            for control in ready & self._controls.keys():
                self._poll.unregister(control)
                self._end(self._controls.pop(control))
            if self._woken in ready:
                os.read(self._woken, 512)
                self._reap()
            taken = self._take() if self._orders in ready else None
            if taken is not None:
                signal.set_wakeup_fd(wake_before)
                signal.signal(signal.SIGCHLD, handler_before)
                return taken

    def _take(self) -> tuple[dict[str, Any], dict[str, int]] | None:
        channel = socket.socket(fileno=self._orders)
        try:
            data, numbers, _, _ = socket.recv_fds(channel, 1 << 18, 64, socket.MSG_CMSG_CLOEXEC)
        finally:
            channel.detach()
        if not data:
            os._exit(0)  # the owner is gone
        order: dict[str, Any] = json.loads(data)
        if "kill" in order:
            self._end(order["kill"])
            return None
        return self._fork(order, dict(zip(order["descriptors"], numbers, strict=True)))

    def _fork(self, order: dict[str, Any], given: dict[str, int]) -> tuple[dict[str, Any], dict[str, int]] | None:
        ours, theirs = socket.socketpair()
        told, inside = ours.detach(), theirs.detach()
        middle = os.fork()
        if middle == 0:
            self._let_go()
            for number in (told, given.pop("life")):
                os.close(number)
            return order, {**given, "told": inside, "alive": self._alive}
        os.close(inside)
        life, control = given.pop("life"), given.pop("control")
        for number in given.values():
            os.close(number)
        self._starting[middle] = order["number"], told, life, control
        self._controls[control] = order["number"]
        self._poll.register(control, select.POLLRDHUP)
        return None

    def _let_go(self) -> None:
        """In a fork: close what is this process's, the channels of its other forks above all."""
        for _, *held in (*self._starting.values(), *self._living.values()):
            for number in held:
                os.close(number)
        for number in (self._orders, self._alive_end, self._woken, self._wake):
            os.close(number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._starting:
                self._started(pid, status)
            elif pid in self._living:
                self._ended(*self._living.pop(pid), status)

    def _started(self, middle: int, status: int) -> None:
        number, told, life, control = self._starting.pop(middle)
        try:
            inner = int(os.read(told, 32) or b"0")
            if status != 0 or not inner:  # it has said why
                self._ended(number, life, control, status)
                return
            self._living[inner] = number, life, control
            self._pids[number] = inner
            if number in self._doomed:
                self._end(number)
            os.write(told, b"!")
        except BrokenPipeError:  # the inner one has ended already: it will be reaped
            pass
        finally:
            os.close(told)

    def _end(self, number: int) -> None:
        pid = self._pids.get(number)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)  # ours and not yet waited for: no other has this number
        elif any(started[0] == number for started in self._starting.values()):
            self._doomed.add(number)

    def _ended(self, number: int, life: int, control: int, status: int) -> None:
        self._pids.pop(number, None)
        self._doomed.discard(number)
        if self._controls.pop(control, None) is not None:
            self._poll.unregister(control)
        try:
            os.write(life, b"%d" % status)
        except BrokenPipeError:  # the owner has let go of it
            pass
        os.close(life)
        os.close(control)  # after the status, so that who sees the channel's end finds the status
