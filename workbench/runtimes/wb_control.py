"""The inside's end of the control channel: marks go out, the owner's death comes in.

The module's name (like its siblings') is unlikely to hide a module of the service, which is imported beside it.
"""

from __future__ import annotations

import time

# Before all other imports: an entry imports this module first, so this is its first instruction.
STARTED_NS = time.monotonic_ns()

import array  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import stat  # noqa: E402
import sys  # noqa: E402

TYPE_CHECKING = False  # typing itself would cost a millisecond
if TYPE_CHECKING:
    from typing import Any


class Port:
    """A control channel that is no socket, but a port of a virtual machine: as much of a socket as marks need."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def sendall(self, data: bytes) -> None:
        """Write all of it."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def set_inheritable(self, inheritable: bool) -> None:
        """Whether programs started from here get it."""
        os.set_inheritable(self._descriptor, inheritable)

    def detach(self) -> int:
        """Its number, for another program."""
        return self._descriptor


def _inherited(number: int) -> Any:
    return socket.socket(fileno=number) if stat.S_ISSOCK(os.fstat(number).st_mode) else Port(number)


def connect(*, passed_on: bool = False) -> Any:
    """The control channel, inherited or connected to; child processes of the handler do not get it.

    `passed_on` to the program that takes this one's place, it is not read here: a thread that came to run late would
    find the channel given away, and take that for its end.
    """
    number = os.environ.pop("WORKBENCH_CONTROL_FD", "")
    if number:
        control = _inherited(int(number))
        control.set_inheritable(False)
    else:
        path = os.environ.pop("WORKBENCH_CONTROL_PATH", "")
        control = _connected(path) if path else _without_owner()
    _take_output()
    if not os.environ.pop("WORKBENCH_WATCHED", ""):
        _end_with_owner(control, by_thread=not passed_on)
    return control


def _connected(path: str) -> socket.socket:
    control = socket.socket(socket.AF_UNIX)
    control.connect(path)
    return control


def _without_owner() -> socket.socket:
    """A channel that nobody reads or ends: for an image that somebody runs by hand (`docker run`)."""
    control, other = socket.socketpair()
    os.set_inheritable(other.detach(), True)  # a host in another language takes this process's place, and keeps it
    return control


def mark(
    control: Any,
    name: str,
    *,
    at_ns: int | None = None,
    error: dict[str, Any] | None = None,
    descriptor: int | None = None,
    port: int | None = None,
) -> None:
    """Write one mark: `at_ns` on the monotonic clock (now), with an `error` or a file `descriptor` passed out."""
    message: dict[str, Any] = {"mark": name, "at_ns": at_ns or time.monotonic_ns()}
    if at_ns is not None:
        message["sent_ns"] = time.monotonic_ns()  # for an owner whose clock is another
    if port is not None:
        message["port"] = port
    if error is not None:
        message["error"] = error
    line = json.dumps(message).encode() + b"\n"
    if descriptor is None:
        control.sendall(line)
    else:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))
        sent = control.sendmsg([line], [rights])
        control.sendall(line[sent:])


def pass_listeners_out(control: Any) -> None:
    """Listen on each of the ports that the owner serves in here, and pass the listeners out."""
    relayed = os.environ.pop("WORKBENCH_RELAYED", "")
    for port in json.loads(os.environ.pop("WORKBENCH_PORTS", "[]")):
        if relayed:
            import wb_relayed  # type: ignore[import-not-found]

            wb_relayed.forward(port, f"{relayed}/{wb_relayed.port_socket(port)}")
            mark(control, "listener", port=port)  # the listener is its owner's
            continue
        with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
            mark(control, "listener", descriptor=listener.fileno(), port=port)


def use_task_root() -> str:
    """Make the service importable, before everything else as on Lambda, and its layers next; returns its directory."""
    runtime = os.path.dirname(os.path.abspath(__file__))
    task_root = os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
    opt, version = os.environ.pop("WORKBENCH_OPT", ""), f"python{sys.version_info.major}.{sys.version_info.minor}"
    places = (f"{opt}/python/lib/{version}/site-packages", f"{opt}/python") if opt else ()
    layers = [place for place in places if os.path.isdir(place)]
    sys.path[:] = [task_root, *layers, *(entry for entry in sys.path if entry != runtime), runtime]
    return task_root


def _take_output() -> None:
    path = os.environ.pop("WORKBENCH_OUTPUT_PATH", "")
    if path:
        output = _connected(path).detach() if path.endswith(".sock") else os.open(path, os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)


def _end_with_owner(control: socket.socket, *, by_thread: bool) -> None:
    """End this instance, and what it started, when the other end of `control` is closed, even by SIGKILL.

    The owner never writes, so the first thing that can happen on the channel is its end. On Linux the kernel itself
    then sends SIGKILL to the process group (F_SETSIG): that also ends a handler that never gives up the interpreter,
    or that is stopped. A parent-death signal would not do: it fires when the *thread* that launched us ends. A
    namespace's first process ignores signals from within, so there, and elsewhere than on Linux, a thread watches.
    Nobody asks for any of it where somebody outside watches (WORKBENCH_WATCHED).
    """
    if sys.platform == "linux" and os.getpid() != 1:
        import fcntl
        import signal

        leader = os.getpgrp() == os.getpid()
        fcntl.fcntl(control, fcntl.F_SETOWN, -os.getpid() if leader else os.getpid())
        fcntl.fcntl(control, fcntl.F_SETSIG, int(signal.SIGKILL))
        fcntl.fcntl(control, fcntl.F_SETFL, fcntl.fcntl(control, fcntl.F_GETFL) | os.O_ASYNC)
        try:
            gone = control.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except BlockingIOError:
            gone = False
        if gone:  # before the signal was asked for
            _end(control)
        return
    if not by_thread:
        return
    import threading

    threading.Thread(target=_end, args=(control,), name="owner-watch", daemon=True).start()


def _end(control: socket.socket) -> None:
    try:
        while control.recv(4096):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid() != 1:
        import signal

        os.killpg(0, signal.SIGKILL)
    os._exit(137)
