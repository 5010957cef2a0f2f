"""QEMU's monitor: the machine is asked and told things in JSON lines over a socket (QMP, QEMU's docs/interop)."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any

from workbench.errors import DeploymentError

_PATIENCE_S = 60.0
_FORWARDED = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s")


class Monitor:
    """Our end of the monitor's socket; commands are sent one at a time, whoever sends them."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._socket.settimeout(_PATIENCE_S)
        self._buffer = b""
        self._lock = threading.Lock()

    def greet(self) -> None:
        """Return when the machine has been built and takes commands; DeploymentError when it ended instead."""
        with self._lock:
            self._read()
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: Any) -> Any:
        """Send one command and return its answer; raises DeploymentError when it is refused, or nobody answers."""
        with self._lock:
            try:
                self._socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            except OSError as error:
                raise DeploymentError(f"The virtual machine does not take commands any more ({error}).") from error
            while True:
                said = self._read()
                if "return" in said:
                    return said["return"]
                if "error" in said:
                    raise DeploymentError(f"QEMU refused {name}: {said['error'].get('desc', said['error'])}.")

    def forwarded_port(self) -> int:
        """The port of 127.0.0.1 that QEMU forwards to the guest, which it chose itself."""
        network = str(self.command("human-monitor-command", **{"command-line": "info usernet"}))
        found = _FORWARDED.search(network)
        if found is None:
            raise DeploymentError(f"QEMU forwards no port of 127.0.0.1 to the virtual machine. It says: {network!r}.")
        return int(found[1])

    def wait_for_migration(self) -> None:
        """Return when the machine's state has been written or read; raises DeploymentError when that failed."""
        deadline = time.monotonic() + _PATIENCE_S
        while (status := self.command("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise DeploymentError(f"The state of the virtual machine could not be carried over ({status}).")
            time.sleep(0.002)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            try:
                more = self._socket.recv(65536)
            except OSError as error:
                raise DeploymentError(f"The virtual machine's monitor does not answer ({error}).") from error
            if not more:
                raise DeploymentError("The virtual machine has ended.")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said
