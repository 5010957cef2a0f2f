"""The inside of a sandbox whose only way out is Unix sockets of its owner: its connections are made from in here.

A sandbox with a network stack of its own cannot pass a listener out, and has no network to be reached over. What it
may do is connect to the sockets in its control directory. So a server in here connects first, and waits until its
owner has a client for that connection; and a client in here reaches its owner through a port that is passed on.
"""

from __future__ import annotations

import contextlib
import socket
import threading

HTTP, RUNTIME = "http.sock", "runtime.sock"
"""The owner's sockets: it hands clients of an `http_host.py` over on the first, serves a Runtime API on the second."""


def port_socket(port: int) -> str:
    """The name of the owner's socket behind a `port` of the inside."""
    return f"port-{port}.sock"


class Listener:
    """What a server needs of a listening socket, over connections that are made from in here, one ahead."""

    def __init__(self, directory: str) -> None:
        self._path = f"{directory}/{HTTP}"
        self._spare: socket.socket | None = None
        self._stopped = False

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        """A connection that has a client; raises OSError when the owner is gone, or after `shutdown`."""
        spare = self._spare = socket.socket(socket.AF_UNIX)
        try:
            spare.connect(self._path)
            if self._stopped or not spare.recv(1):  # a byte says that a client is there, which may be silent itself
                raise ConnectionAbortedError("the owner takes no connection any more")
        except OSError:
            spare.close()
            raise
        return spare, ("127.0.0.1", 0)

    def shutdown(self, how: int) -> None:
        """Let `accept` end."""
        self._stopped = True
        if self._spare is not None:
            with contextlib.suppress(OSError):
                self._spare.shutdown(how)

    def close(self) -> None:
        """Nothing is kept between two connections."""


def forward(port: int, path: str) -> int:
    """Pass what comes on `port` of 127.0.0.1 (0: a free one) on to the owner's socket at `path`; the port."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    threading.Thread(target=_take, args=(listener, path), name=f"forward-{port}", daemon=True).start()
    return int(listener.getsockname()[1])


def _take(listener: socket.socket, path: str) -> None:
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        owner = socket.socket(socket.AF_UNIX)
        try:
            owner.connect(path)
        except OSError:
            client.close()
            continue
        threading.Thread(target=join, args=(client, owner), daemon=True).start()


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass on what each of two connections sends, until both have ended; closes them."""
    back = threading.Thread(target=_pass_on, args=(other, one), daemon=True)
    back.start()
    _pass_on(one, other)
    back.join()
    one.close()
    other.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # one of them is broken: the other must see that it is
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
