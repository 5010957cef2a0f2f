"""Events for functions on their way to the platform: gathered during a request, handed over before it is answered.

So an event is on the platform's disk when its cause is confirmed. What cannot be handed over is tried again for as long
as the platform lives; this process ends with it.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench.events.embedded.sockets import reachable

_PAUSE_S = (0.05, 1.0)


@dataclass(frozen=True, slots=True)
class Push:
    """An event for a function; both are ARNs, `events` its ids, `payload` JSON as the function gets it."""

    source: str
    function: str
    events: tuple[str, ...]
    payload: str


class Outbox:
    """One for the process; each thread has a connection and a list of its own. `path` is the platform's socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._here = threading.local()

    def push(self, source: str, function: str, events: Sequence[str], event: Any) -> None:
        """Take an event in; `event` becomes JSON."""
        self._waiting().append(Push(source, function, tuple(events), json.dumps(event)))

    def exists(self, function: str) -> bool:
        """Whether the platform has a function, version or alias of this ARN."""
        return bool(self._ask({"exists": function})["exists"])

    def hand_over(self) -> None:
        """Return when the platform has all that this thread took in, or has no function for it."""
        waiting, pause_s = self._waiting(), _PAUSE_S[0]
        while waiting:
            results = self._ask({"pushes": [asdict(push) for push in waiting]})["results"]
            waiting[:] = [push for push, result in zip(waiting, results, strict=True) if result == "again"]
            if waiting:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S[1])

    def _waiting(self) -> list[Push]:
        if not hasattr(self._here, "waiting"):
            self._here.waiting = []
        waiting: list[Push] = self._here.waiting
        return waiting

    def _ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(frame).encode()
        while True:
            try:
                connection = self._connection()
                connection.sendall(len(text).to_bytes(4, "big") + text)
                answer: dict[str, Any] = json.loads(
                    _exactly(connection, int.from_bytes(_exactly(connection, 4), "big"))
                )
                return answer
            except OSError as error:
                self._here.connection = None
                print(f"events are not handed over yet: {error}", file=sys.stderr, flush=True)
                time.sleep(_PAUSE_S[1])

    def _connection(self) -> socket.socket:
        connection: socket.socket | None = getattr(self._here, "connection", None)
        if connection is None:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(reachable(self._path))
            self._here.connection = connection
        return connection


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionResetError("the platform closed the connection")
        parts += part
    return bytes(parts)
