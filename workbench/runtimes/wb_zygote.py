"""The zygote: one process for all instances of an owner, which has the runtime imported and is forked for each.

It runs on the same root file system as the instances (`wb_box.enter_root`), so what it has imported is what they would
import. It takes the place of a helper process for each instance: it reaps them, reports how they ended, and ends one
whose owner has closed the control channel. It holds nothing secret: its environment is made for it, and an order is
only known to the fork that it is for.

What a fork is not: two instances have the same address layout and the same seed of string hashes, as in every system
that forks from a common ancestor (SOCK, Android). `random` and OpenSSL draw new seeds after a fork.

The owner sends orders as JSON, one in each packet, with descriptors named by `descriptors`. `{"kill": number}` ends
that instance. A fork answers on the order's `setup` channel; the zygote writes the wait status to its `life` pipe.
End of file from the owner is the zygote's end, and with it that of all instances (`PR_SET_PDEATHSIG`).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time

# Python runs isolated (-I), which leaves out the script's own directory.
sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import wb_box  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TARGETS = {
    "output": wb_box.OUTPUT,
    "control": wb_box.CONTROL,
    "setup": wb_box.SETUP,
    "told": wb_box.TOLD,
    "alive": wb_box.ALIVE,
    "listener": wb_box.LISTENER,
}
_NAME_BYTES = 256


def main() -> None:
    """`enter FD ROOT INTERPRETER`: change the root and start again in it; `serve FD`: take orders until the end."""
    orders = socket.socket(fileno=int(sys.argv[2]))
    if sys.argv[1] == "enter":
        _enter(orders, sys.argv[3], sys.argv[4])
    orders.set_inheritable(False)
    import lambda_host  # type: ignore[import-not-found]

    lambda_host.preload()
    order = _Zygote(orders).serve()
    # Only a fork gets here, as the first process of its box: nothing of the zygote is below it on the stack.
    _run(order, lambda_host)


def _enter(orders: socket.socket, root: str, interpreter: str) -> None:
    os.dup2(orders.fileno(), wb_box.SETUP)  # where a step that fails is told
    wb_box.guarded(lambda: wb_box.enter_root(root))
    os.close(wb_box.SETUP) if orders.fileno() != wb_box.SETUP else None
    orders.set_inheritable(True)
    script = f"/var/runtime/{os.path.basename(__file__)}"
    # Last, and long enough for any name: each fork writes its own into it, where `workbench clean` looks for it.
    environment = {**os.environ, "WORKBENCH_INSTANCE": " " * _NAME_BYTES}
    os.execve(interpreter, [interpreter, "-u", "-I", "-S", "-B", script, "serve", str(orders.fileno())], environment)


class _Zygote:
    """Everything in here is a plain number: an object that closes its descriptor would close another's in a fork."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._starting: dict[int, tuple[int, int, int, int]] = {}  # by middle pid: number, told, life, control
        self._living: dict[int, tuple[int, int, int]] = {}  # by inner pid: number, life, control
        self._pids: dict[int, int] = {}  # by the owner's number
        self._doomed: set[int] = set()  # numbers to be ended as soon as their pid is known
        self._controls: dict[int, int] = {}  # control descriptor -> number
        self._poll = select.poll()
        # Held open by this process alone: its end tells a fork that this one is gone.
        self._alive, self._alive_end = os.pipe()

    def serve(self) -> dict[str, Any]:
        """Take orders; returns, in a fork, the order that it is to run."""
        wb_box.become_subreaper()
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll.register(woken, select.POLLIN)
        self._poll.register(self._orders, select.POLLIN)
        gc.collect()
        gc.freeze()  # so that no fork's collector writes to, and so copies, what is shared
        self._orders.sendall(b'{"ready": true}')
        taken = self._orders.fileno()
        while True:
            for number, _ in self._poll.poll():
                if number == woken:
                    os.read(woken, 512)
                    self._reap()
                elif number == taken:
                    order = self._take()
                    if order is not None:
                        return order
                elif number in self._controls:
                    self._poll.unregister(number)
                    self._end(self._controls.pop(number))

    def _take(self) -> dict[str, Any] | None:
        data, numbers, _, _ = socket.recv_fds(self._orders, 1 << 18, 64)
        if not data:
            os._exit(0)  # the owner is gone
        order: dict[str, Any] = json.loads(data)
        if "kill" in order:
            self._end(order["kill"])
            return None
        return self._launch(order, dict(zip(order["descriptors"], numbers, strict=True)))

    def _launch(self, order: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any] | None:
        ours, theirs = socket.socketpair()
        told, inside = ours.detach(), theirs.detach()
        middle = os.fork()
        if middle == 0:
            self._become(order, {**numbers, "told": inside, "alive": self._alive})
            return order
        os.close(inside)
        life, control = numbers.pop("life"), numbers.pop("control")
        for number in numbers.values():
            os.close(number)
        self._starting[middle] = order["number"], told, life, control
        self._controls[control] = order["number"]
        self._poll.register(control, select.POLLRDHUP)
        return None

    def _become(self, order: dict[str, Any], numbers: dict[str, int]) -> None:
        """In a fork: let go of everything of the zygote, and build the box."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._orders.detach()
        groups = [name for name in numbers if name.startswith("group")]
        targets = {**_TARGETS, **{name: wb_box.GROUPS + index for index, name in enumerate(groups)}}
        given = {name: number for name, number in numbers.items() if name in targets}
        wb_box.take_descriptors(list(given.values()), [targets[name] for name in given])
        order["groups"], order["http"] = len(groups), "listener" in given
        wb_box.guarded(lambda: wb_box.middle(order))
        wb_box.guarded(lambda: wb_box.inner(order))

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
            if status != 0:  # it has said why
                self._ended(number, life, control, status)
                return
            inner = int(os.read(told, 32))
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


def _run(order: dict[str, Any], lambda_host: Any) -> None:
    if order["argv"]:
        wb_box.guarded(lambda: wb_box.execute(order))
    for number in (wb_box.TOLD, wb_box.ALIVE, wb_box.SETUP):
        os.close(number)
    lambda_host.wb_control.STARTED_NS = time.monotonic_ns()
    _show_name(order["environment"]["WORKBENCH_INSTANCE"])
    os.environ.clear()
    os.environ.update(order["environment"], WORKBENCH_CONTROL_FD=str(wb_box.CONTROL))
    sys.argv[:] = [lambda_host.__file__]
    sys.modules["__main__"] = lambda_host
    lambda_host.__name__ = "__main__"
    lambda_host.main(wb_box.RUNTIME_API_PORT)


def _show_name(name: str) -> None:
    """Write the instance's name where /proc/PID/environ shows it: a fork's own variables are not seen there."""
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[47]), int(fields[48])  # env_start and env_end, fields 50 and 51 of proc_pid_stat(5)
    block = ctypes.string_at(start, end - start)
    at = block.find(b"WORKBENCH_INSTANCE=")
    if at >= 0:
        at += len(b"WORKBENCH_INSTANCE=")
        value = name.encode()[: _NAME_BYTES - 1]
        ctypes.memmove(start + at, value.ljust(_NAME_BYTES, b"\0"), _NAME_BYTES)


if __name__ == "__main__":
    main()
