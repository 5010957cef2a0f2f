"""A process that is forked for each order that it gets: what the zygote and a template of a function have in common.

It takes the place of a helper process for each instance: it reaps them, reports how they ended, and ends one whose
owner has closed the control channel.

The owner sends orders as JSON, one in each packet, with descriptors that its `descriptors` names in their order.
`{"kill": number}` ends that instance. A fork answers on the order's `setup` channel; the wait status is written to its
`life` pipe. End of file from the owner ends this process, and with it its forks (`PR_SET_PDEATHSIG`).

Forks are made ahead: `AHEAD` of them wait, each with its box built and nothing of any instance in it, as a cloud keeps
microVMs booted (Agache et al., "Firecracker", NSDI'20, section 4). An order to go on in a fork goes to one of them as
it came, and only when none is left to a fork made for it. An order to start a program does not: what is called started
from nothing has nothing made ahead. The next are made when nothing has happened for a moment, so that they take no CPU
from an instance that is starting.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket

import wb_ends  # type: ignore[import-not-found]
import wb_kernel  # type: ignore[import-not-found]

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

AHEAD = 2
"""How many forks wait for an order: more than one, for a cold start that follows at the heels of another."""
_QUIET_MS = 2


class _Fork:
    """One of them; descriptors are plain numbers, as an object would close another's number in a fork.

    `number` is the owner's, 0 before the order; `pid` is the inner process's, 0 until it is known.
    """

    __slots__ = ("channel", "control", "doomed", "life", "number", "pid", "told")

    def __init__(self, channel: int, told: int) -> None:
        self.channel, self.told = channel, told
        self.life = self.control = -1
        self.number = self.pid = 0
        self.doomed = False

    def descriptors(self) -> list[int]:
        """Those that are open."""
        return [number for number in (self.channel, self.told, self.life, self.control) if number >= 0]


class Forks:
    """What has been forked; `take` opens what an order wants to have shown, where that is this process's part."""

    def __init__(self, orders: int, take: Callable[[str, str], int] | None = None) -> None:
        self._orders, self._take_tree = orders, take
        self._by_pid: dict[int, _Fork] = {}  # by the middle process's at first, then by the inner one's
        self._by_number: dict[int, _Fork] = {}
        self._waiting: list[_Fork] = []
        self._controls: dict[int, _Fork] = {}
        self._may_fork_ahead = True
        self._poll = select.poll()
        # Its write end is held by this process alone: its end tells a fork that this one is gone.
        self._alive, self._alive_end = os.pipe()
        self._woken, self._wake = os.pipe()
        for number in (self._woken, self._wake):
            os.set_blocking(number, False)

    def serve(self) -> wb_ends.Ends:
        """Take orders until the end; returns in a fork alone, which has what it returns and nothing of this process."""
        wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        handler_before = signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (self._woken, self._orders):
            self._poll.register(number, select.POLLIN)
        gc.collect()
        gc.freeze()  # so that no fork's collector writes to, and so copies, what is shared
        while True:
            ends = self._turn()
            if ends is not None:
                signal.set_wakeup_fd(wake_before)
                signal.signal(signal.SIGCHLD, handler_before)
                return ends

    def _turn(self) -> wb_ends.Ends | None:
        """Do what there is to do, else fork one ahead; the ends in a fork."""
        short = self._may_fork_ahead and len(self._waiting) < AHEAD
        ready = {number for number, _ in self._poll.poll(_QUIET_MS if short else None)}
        if not ready:
            made = self._fork(ordered=False)
            if isinstance(made, _Fork):
                self._waiting.append(made)
                return None
            return made
        # In this order: reaping closes descriptors, and an order may come with others of the same numbers.
        for control in ready & self._controls.keys():
            self._poll.unregister(control)
            self._end(self._controls.pop(control))
        if self._woken in ready:
            os.read(self._woken, 512)
            self._reap()
        return self._take_order() if self._orders in ready else None

    def _take_order(self) -> wb_ends.Ends | None:
        data, numbers = wb_ends.receive(self._orders)
        if not data:
            self._end_all()  # the owner is gone
        order: dict[str, Any] = json.loads(data)
        if "kill" in order:
            fork = self._by_number.get(order["kill"])
            if fork is not None:
                self._end(fork)
            return None
        given = dict(zip(order["descriptors"], numbers, strict=True))
        try:
            if self._take_tree is not None:
                for source, target in order["binds"]:
                    numbers.append(self._take_tree(source, target))
        except OSError as error:
            os.write(given["setup"], json.dumps(wb_kernel.failure(error)).encode() + b"\n")
            os.write(given["life"], b"%d" % (126 << 8))
            for number in numbers:
                os.close(number)
            return None
        return self._order(order, data, numbers, given)

    def _order(
        self, order: dict[str, Any], data: bytes, numbers: list[int], given: dict[str, int]
    ) -> wb_ends.Ends | None:
        """Hand an order on to a fork; the ends in one that is made for it."""
        number = order["number"]
        fork = None if order.get("argv") else self._hand_to_waiting(data, numbers)
        if fork is None:
            made = self._fork(ordered=True, besides=tuple(numbers))
            if not isinstance(made, _Fork):
                return made
            fork = made
            self._hand_over(fork, data, numbers)
        fork.number, fork.life, fork.control = number, given["life"], given["control"]
        self._by_number[number] = fork
        self._controls[fork.control] = fork
        self._poll.register(fork.control, select.POLLRDHUP)
        for other in numbers:
            if other not in (fork.life, fork.control):
                os.close(other)
        self._may_fork_ahead = True
        return None

    def _hand_to_waiting(self, data: bytes, numbers: list[int]) -> _Fork | None:
        while self._waiting:
            fork = self._waiting.pop(0)
            if self._hand_over(fork, data, numbers):
                return fork
        return None

    def _hand_over(self, fork: _Fork, data: bytes, numbers: list[int]) -> bool:
        channel = socket.socket(fileno=fork.channel)
        fork.channel = -1
        with channel:
            try:
                socket.send_fds(channel, [data], numbers)
            except OSError:  # it could not be built, or was ended
                return False
        return True

    def _fork(self, *, ordered: bool, besides: tuple[int, ...] = ()) -> _Fork | wb_ends.Ends:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel, orders = ours.detach(), theirs.detach()
        ours, theirs = socket.socketpair()
        told, inside = ours.detach(), theirs.detach()
        middle = os.fork()
        if middle == 0:
            held = [number for fork in self._by_pid.values() for number in fork.descriptors()]
            held += [*besides, channel, told, self._orders, self._alive_end, self._woken, self._wake]
            for number in held:
                os.close(number)
            return wb_ends.Ends({"orders": orders, "told": inside, "alive": self._alive}, ordered=ordered)
        os.close(orders)
        os.close(inside)
        fork = self._by_pid[middle] = _Fork(channel, told)
        return fork

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            fork = self._by_pid.pop(pid, None)
            if fork is None:
                continue
            if fork.pid == 0:
                self._started(fork, status)
            else:
                self._ended(fork, status)

    def _started(self, fork: _Fork, status: int) -> None:
        told, fork.told = fork.told, -1
        try:
            inner = int(os.read(told, 32) or b"0")
            if status != 0 or not inner:  # it says why, to who has ordered it
                self._ended(fork, status)
                return
            fork.pid = inner
            self._by_pid[inner] = fork
            if fork.doomed:
                self._end(fork)
            os.write(told, b"!")
        except BrokenPipeError:  # the inner one has ended already: it will be reaped
            pass
        finally:
            os.close(told)

    def _end(self, fork: _Fork) -> None:
        if fork.pid:
            os.kill(fork.pid, signal.SIGKILL)  # ours and not yet waited for: no other has this number
        else:
            fork.doomed = True

    def _ended(self, fork: _Fork, status: int) -> None:
        if fork in self._waiting:
            self._waiting.remove(fork)
            self._may_fork_ahead = False  # until there is an order: what fails is not done over and over
        self._by_number.pop(fork.number, None)
        if self._controls.pop(fork.control, None) is not None:
            self._poll.unregister(fork.control)
        if fork.life >= 0:
            try:
                os.write(fork.life, b"%d" % status)
            except BrokenPipeError:  # the owner has let go of it
                pass
        for number in fork.descriptors():  # the control channel last: who sees its end finds the status
            os.close(number)

    def _end_all(self) -> None:
        """End, with all that were forked; none that was made ahead is still there then.

        An instance ends by its parent's end (`PR_SET_PDEATHSIG`): one that is frozen could be waited for without end.
        """
        for pid, fork in self._by_pid.items():
            if fork.number:
                continue
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if fork.pid == 0:  # a middle process, which may have told whom it left
                os.set_blocking(fork.told, False)
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    inner = int(os.read(fork.told, 32) or b"0")
                    if inner:
                        os.kill(inner, signal.SIGKILL)
                        os.waitpid(inner, 0)
        os._exit(0)
