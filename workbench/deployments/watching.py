"""One thread that reads every instance's control channel and output, and says when an instance has ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import threading
from collections.abc import Callable

from workbench.deployments.replica import Replica

LAST_WORDS_WITHIN_S = 0.3


class Watcher:
    """Reads what instances say until it is closed; `ended` is called, in its thread, with each that ended."""

    def __init__(self, name: str, ended: Callable[[Replica], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._closed = False
        self._partial: dict[Replica, bytes] = {}
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._watch, name=f"{name}-watch", daemon=True)
        self._thread.start()

    def add(self, replica: Replica) -> None:
        """Read this instance from now on."""
        with self._lock:
            self._selector.register(replica.box.control, selectors.EVENT_READ, (replica, "control"))
            self._selector.register(replica.box.output, selectors.EVENT_READ, (replica, "output"))
        self._wake()

    def remove(self, replica: Replica) -> None:
        """Read it no more; before its descriptors are closed."""
        for source in (replica.box.control, replica.box.output):
            self._unregister(source)

    def close(self) -> None:
        """End the thread; every instance has been removed by now."""
        self._closed = True
        self._wake()
        self._thread.join()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    def _unregister(self, source: socket.socket | int) -> None:
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def _watch(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(timeout=1.0):
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        self._wake_read.recv(4096)
                    continue
                replica, channel = key.data
                if channel == "output":
                    self._read_output(replica)
                elif not self._read_control(replica):
                    self._end(replica)

    def _read_output(self, replica: Replica) -> None:
        try:
            data = os.read(replica.box.output, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            replica.append_log(data)
        else:
            self._unregister(replica.box.output)

    def _read_control(self, replica: Replica) -> bool:
        """Take what the control channel has; False at its end."""
        try:
            data, numbers, _, _ = socket.recv_fds(replica.box.control, 65536, 8, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        *lines, self._partial[replica] = (self._partial.get(replica, b"") + data).split(b"\n")
        passed = [socket.socket(fileno=number) for number in numbers]
        for line in lines:
            message = json.loads(line)
            replica.mark(message, passed.pop(0) if message.get("mark") == "listener" and passed else None)
        for unasked in passed:
            unasked.close()
        return bool(data)

    def _end(self, replica: Replica) -> None:
        self.remove(replica)
        self._partial.pop(replica, None)
        # Its last words. An engine hands them on a little after the end; elsewhere the end is there at once.
        with contextlib.suppress(OSError), selectors.DefaultSelector() as until_end:
            until_end.register(replica.box.output, selectors.EVENT_READ)
            while until_end.select(LAST_WORDS_WITHIN_S) and (data := os.read(replica.box.output, 65536)):
                replica.append_log(data)
        self._ended(replica)
