"""The directory mounted into a container: the control channel's socket, and a FIFO or another socket for the output.

The FIFO is written by the inside, or for it by who reads the container's own output (`docker_output.py`).
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import DeploymentError

_PATIENCE_S = 60.0


class Home:
    """The directory, made anew at `path`; DeploymentError when there is one.

    The output comes through a FIFO, or with `by_socket` through a Unix socket, for an inside that can open no FIFO.
    """

    def __init__(self, path: Path, *, by_socket: bool = False) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o755)
        except FileExistsError as error:
            raise DeploymentError(f"There is an instance {path.name} already; choose another name.") from error
        os.chmod(path, 0o755)  # inside, another user comes here; outside, the session's directory bars the way
        self.output = -1 if by_socket else _fifo(path / "output")
        self._outputs = self.listen("output.sock", 1) if by_socket else None
        self._listener = self.listen("control.sock", 1)

    def listen(self, name: str, backlog: int) -> socket.socket:
        """A Unix socket of that name in the directory, which the inside may connect to."""
        listener = socket.socket(socket.AF_UNIX)
        directory = os.open(self.path, os.O_PATH | os.O_DIRECTORY)
        try:  # by descriptor, as the path of a Unix socket may have only some 100 bytes
            listener.bind(f"/proc/self/fd/{directory}/{name}")
        finally:
            os.close(directory)
        os.chmod(self.path / name, 0o666)
        listener.listen(backlog)
        return listener

    def accept(
        self, state: Callable[[], dict[str, Any]], name: str, printed: Callable[[], str] | None = None
    ) -> socket.socket:
        """Our end of the control channel, once the inside has said its first word; DeploymentError if it ends first."""
        deadline = time.monotonic() + _PATIENCE_S
        self._listener.settimeout(0.5)
        while True:
            try:
                control, _ = self._listener.accept()
                break
            except TimeoutError:
                now = state()
                if now.get("Status") == "exited" or time.monotonic() > deadline:
                    last = printed() if printed is not None else ""
                    raise DeploymentError(
                        f"The container of instance {name} did not start its runtime "
                        f"({now.get('Status')}, exit code {now.get('ExitCode')}). {now.get('Error', '')}"
                        + (f" It printed:\n{last}" if last else "")
                    ) from None
        # Its output is connected by then, so that a reader of the FIFO does not take its beginning for its end.
        select.select([control], [], [], _PATIENCE_S)
        self._listener.close()
        if self._outputs is not None:
            self._outputs.settimeout(_PATIENCE_S)
            output, _ = self._outputs.accept()
            output.setblocking(False)
            self.output = output.detach()
        return control

    def close(self) -> None:
        """Remove the directory and close what is in it."""
        self._listener.close()
        if self._outputs is not None:
            self._outputs.close()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1
        shutil.rmtree(self.path, ignore_errors=True)


def _fifo(path: Path) -> int:
    os.mkfifo(path)
    os.chmod(path, 0o666)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
