"""What a long-running instance in a network of its own reaches of this machine: what its service's `outbound` names.

As for functions (`faas/running/gateway.py`): the instance makes a listener on its own loopback address and passes it
out, and what comes on it is passed on to the one address that it stands for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from workbench.errors import DeploymentError
from workbench.faas.running import outbound
from workbench.service import Service

_PART = 65536
_AT_ONCE = 64


def to_pass_on(service: Service, sandbox: str) -> str:
    """Of the service's `outbound`, what has to be passed on in this sandbox; raises DeploymentError where none can be.

    A process shares this machine's network: nothing is to be done, but there a port inside must be the one outside.
    """
    targets = _targets(service)
    if not targets:
        return ""
    if sandbox == "namespaces":
        _check_python(service)
        return service.outbound
    if sandbox != "process":
        raise DeploymentError(
            f"In the sandbox {sandbox!r} an instance cannot be given ports of this machine ({service.outbound}). "
            "Choose sandbox='namespaces' or 'process'."
        )
    moved = [inside for inside, target in targets.items() if target != ("127.0.0.1", inside)]
    if moved:
        raise DeploymentError(
            f"A process has this machine's own ports, so its port {moved[0]} cannot lead elsewhere "
            f"({service.outbound}). Name the port alone, or choose sandbox='namespaces'."
        )
    return ""


class Outbound:
    """The passed-out listeners of one instance, served by threads until it is closed."""

    def __init__(self, words: str) -> None:
        self._targets = outbound.parse(words)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports inside."""
        return tuple(self._targets)

    def serve(self, port: Any, listener: socket.socket) -> None:
        """Pass on what comes on `listener`, which is ours from now on; one that nobody asked for is closed."""
        target = self._targets.get(port)
        if target is None or not self._keep(listener):
            listener.close()
            return
        listener.setblocking(True)
        threading.Thread(target=self._accept, args=(listener, target), name="outbound", daemon=True).start()

    def close(self) -> None:
        """End every connection and listener."""
        with self._lock:
            self._closed = True
            still = list(self._open)
        for one in still:
            self._end(one)

    def _accept(self, listener: socket.socket, target: tuple[str, int]) -> None:
        while True:
            try:
                inside, _ = listener.accept()
            except OSError:
                break
            with self._lock:
                crowded = len(self._open) > 2 * _AT_ONCE
            try:
                outside = None if crowded else socket.create_connection(target, timeout=10)
            except OSError:  # the inside sees its connection closed, as by a peer that is not there
                outside = None
            if outside is None:
                inside.close()
                continue
            outside.settimeout(None)
            for one in (inside, outside):
                self._keep(one)
            for ends in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._pump, args=ends, name="outbound", daemon=True).start()
        self._end(listener)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(_PART):
                sink.sendall(part)
        # One direction that has ended ends both: no service here half-closes and goes on.
        for one in (source, sink):
            self._end(one)

    def _keep(self, one: socket.socket) -> bool:
        with self._lock:
            self._open.add(one)
            closed = self._closed
        if closed:
            self._end(one)
        return not closed

    def _end(self, one: socket.socket) -> None:
        with self._lock:
            if one not in self._open:
                return
            self._open.discard(one)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)  # wakes whoever waits on it
        one.close()


def _targets(service: Service) -> dict[int, tuple[str, int]]:
    try:
        return outbound.parse(service.outbound)
    except ValueError as error:
        raise DeploymentError(f"{service.name} asks to reach what cannot be reached: {error}") from error


def _check_python(service: Service) -> None:
    if not service.runtime.startswith("python"):
        raise DeploymentError(
            f"Only a long-running service in Python can be given ports of this machine, not one on {service.runtime}. "
            "Choose sandbox='process'."
        )
