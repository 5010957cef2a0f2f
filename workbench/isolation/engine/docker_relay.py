"""The outside of a sandbox that can only connect out, to Unix sockets in its control directory (see `wb_relayed.py`).

`HttpRelay` gives it a loopback port: each client is joined to a connection that the inside has made ahead. It costs two
more copies in this process for what goes in and out. `ControlRelay` adds the listeners that the inside cannot make and
pass out itself, they are made here, in its directory; and it moves the marks' times to this machine's clock.
"""

from __future__ import annotations

import array
import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from workbench.isolation import channel
from workbench.isolation.engine.docker_home import Home
from workbench.runtimes import wb_relayed

_LOOK_S = 0.2
_MAX_LINE = 1 << 20
_RUNTIME_API = 0  # among ports


class HttpRelay:
    """A loopback port in front of the inside, from `start` until `close` or the end of the control channel."""

    def __init__(self, home: Home) -> None:
        self._inner = home.listen(wb_relayed.HTTP, 128)
        self._outer = channel.http_listener()
        self.address = channel.address_of(self._outer)
        self._open: set[socket.socket] = set()
        self._closed = False
        self._alive: Callable[[], bool] = lambda: True
        self._thread = threading.Thread(target=self._serve, name="http-relay", daemon=True)

    def start(self, control: socket.socket) -> None:
        """Take clients as long as the other end of `control` is held."""
        poll = select.poll()
        poll.register(control, select.POLLRDHUP)
        self._alive = lambda: not self._closed and not poll.poll(0)
        self._thread.start()

    def close(self) -> None:
        """Stop taking clients, and break the connections that are open."""
        self._closed = True
        for listener in (self._outer, self._inner):
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        if self._thread.ident is not None:
            self._thread.join()
        self._outer.close()
        self._inner.close()
        for client in list(self._open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        self._outer.settimeout(_LOOK_S)
        self._inner.settimeout(_LOOK_S)
        while self._alive():
            client = self._accepted(self._outer)
            if client is None:
                continue
            inside = self._accepted(self._inner)
            while inside is None and self._alive():
                inside = self._accepted(self._inner)
            if inside is None:
                client.close()
            else:
                threading.Thread(target=self._join, args=(client, inside), daemon=True).start()
        self._outer.close()  # who connects now is refused, as by any server that is gone

    def _accepted(self, listener: socket.socket) -> socket.socket | None:
        try:
            accepted, _ = listener.accept()
        except OSError:  # a time-out, or the end
            return None
        accepted.setblocking(True)
        return accepted

    def _join(self, client: socket.socket, inside: socket.socket) -> None:
        self._open.add(client)
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            inside.sendall(b"+")
        except OSError:
            client.close()
            inside.close()
        else:
            wb_relayed.join(client, inside)
        finally:
            self._open.discard(client)


class ControlRelay:
    """Passes the control channel's marks on, with a listener made here beside each that should bring one.

    A sandbox with a clock of its own: the difference is the smallest seen between a mark's sending and its arrival
    here, so that a time is late by no more than what it took to send.
    """

    def __init__(self, home: Home, ports: tuple[int, ...], *, runtime_api: bool) -> None:
        self._listeners = {port: home.listen(wb_relayed.port_socket(port), 128) for port in ports}
        if runtime_api:
            self._listeners[_RUNTIME_API] = home.listen(wb_relayed.RUNTIME, 16)
        self._ahead_ns: int | None = None
        self.control, self._ours = channel.control_pair()
        self._inside: socket.socket | None = None
        self._thread = threading.Thread(target=self._pass_on, name="control-relay", daemon=True)

    def start(self, inside: socket.socket) -> None:
        """Read what `inside` says, which belongs to this object from now on."""
        self._inside = inside
        self._thread.start()

    def close(self) -> None:
        """Let the inside see that its owner is gone."""
        if self._inside is not None:
            with contextlib.suppress(OSError):
                self._inside.shutdown(socket.SHUT_RDWR)
            self._thread.join()
            self._inside.close()
        self._ours.close()
        for listener in self._listeners.values():
            listener.close()

    def _pass_on(self) -> None:
        # What is no mark ends it, as the inside's end does: the service may have written to what is not its own.
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            self._read()
        with contextlib.suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        assert self._inside is not None
        pending = b""
        while len(pending) < _MAX_LINE and (data := self._inside.recv(65536)):
            arrived_ns = time.monotonic_ns()
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                self._send(json.loads(line), arrived_ns)

    def _send(self, mark: dict[str, Any], arrived_ns: int) -> None:
        sent_ns = int(mark.pop("sent_ns", mark["at_ns"]))
        ahead = arrived_ns - sent_ns
        self._ahead_ns = ahead if self._ahead_ns is None else min(ahead, self._ahead_ns)
        mark["at_ns"] = int(mark["at_ns"]) + self._ahead_ns
        line = json.dumps(mark).encode() + b"\n"
        listener = self._listeners.pop(_port_of(mark), None)
        if listener is None:
            self._ours.sendall(line)
            return
        with listener:  # the copy that was sent is theirs
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()]))
            sent = self._ours.sendmsg([line], [rights])
        self._ours.sendall(line[sent:])


def _port_of(mark: dict[str, Any]) -> int:
    """Whose listener goes with a mark: a port's, the Runtime API's, or nobody's (-1)."""
    if mark.get("mark") == "sandbox_ready":
        return _RUNTIME_API
    port = mark.get("port") if mark.get("mark") == "listener" else -1
    return port if isinstance(port, int) else -1
