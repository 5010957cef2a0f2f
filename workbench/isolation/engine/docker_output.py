"""A container's output as its engine has it, for `docker logs` too, led into the pipe that `Sandbox.output` is."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

import docker

_KEPT_BYTES = 4096
_PATIENCE_S = 5.0


def attach(client: docker.DockerClient, container: str, reader: int) -> Callable[[], str]:
    """Lead what the container, not started yet, will print into the FIFO whose read end is `reader`.

    Returns what tells the last of it, once the container has ended. The FIFO ends with the container's output. Raises
    docker's errors.
    """
    stream = client.api.attach(container, stdout=True, stderr=True, stream=True, logs=False)
    writer = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_CLOEXEC)
    last = bytearray()
    thread = threading.Thread(target=_lead, args=(stream, writer, last), name=f"output-{container[:12]}", daemon=True)
    thread.start()

    def printed() -> str:
        thread.join(_PATIENCE_S)
        return bytes(last).decode("utf-8", "replace").strip()

    return printed


def _lead(stream: Any, writer: int, last: bytearray) -> None:
    try:
        with contextlib.suppress(Exception):  # the engine went away, in whatever words requests and urllib3 have
            for part in stream:
                last += part
                del last[:-_KEPT_BYTES]
                _write(writer, part)
    finally:
        os.close(writer)
        with contextlib.suppress(Exception):
            stream.close()


def _write(writer: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(writer, left) :]
