"""What instances reach besides their Runtime API: this platform's AWS endpoint, and what their function asks for.

An instance has no network but its own loopback address. Listeners that it makes there are passed out to here, and what
comes on one is passed on to the one address that it stands for: nothing else can be reached, and no other instance can
use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from workbench.faas.credentials import Keyring
from workbench.faas.functions.function import Function
from workbench.faas.running import outbound

LAMBDA_PORT, AWS_PORT = 9100, 9101
"""On the instance's own loopback address: this platform's API, and the endpoint of the other AWS services."""

_AT_ONCE = 64
_PART = 65536


@dataclass
class Endpoints:
    """Where instances may reach AWS's API; URLs, the platform's own known only when it listens."""

    platform: str = ""
    others: str = ""  # S3, SQS, ...: empty when there is none


class Gateway:
    """One for the whole platform; `own_network` when each instance has a loopback address of its own."""

    def __init__(self, keys: Keyring, endpoints: Endpoints, *, own_network: bool) -> None:
        self._keys = keys
        self._endpoints = endpoints
        self._own_network = own_network

    def ports(self, function: Function) -> tuple[int, ...]:
        """The ports on an instance's own loopback address that lead out."""
        return tuple(self._targets(function)) if self._own_network else ()

    def environment(self, function: Function, instance: str) -> Mapping[str, str]:
        """The endpoints and a key of the instance's own, under the names that AWS's SDKs look for."""
        lambda_url, others = self._endpoints.platform, self._endpoints.others
        if self._own_network:
            lambda_url = f"http://127.0.0.1:{LAMBDA_PORT}"
            others = others and f"http://127.0.0.1:{AWS_PORT}"
        return {
            "AWS_ENDPOINT_URL": others or lambda_url,
            "AWS_ENDPOINT_URL_LAMBDA": lambda_url,
            **self._keys.issue(instance).environment(),
        }

    def forget(self, instance: str) -> None:
        """The instance has ended."""
        self._keys.revoke(instance)

    async def serve(self, function: Function, instance: str, port: int, listener: socket.socket) -> None:
        """Pass on what comes on `listener`, which is ours from now on, until cancelled."""
        listener.setblocking(False)
        target = self._targets(function).get(port)
        passing: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if target is None or len(passing) >= _AT_ONCE:
                writer.close()
                return
            task = asyncio.get_running_loop().create_task(_pass_on(reader, writer, *target))
            passing.add(task)
            task.add_done_callback(passing.discard)

        server = await asyncio.start_server(accept, sock=listener, limit=_PART)
        try:
            await server.serve_forever()
        finally:
            for task in passing:
                task.cancel()
            server.close()

    def _targets(self, function: Function) -> dict[int, tuple[str, int]]:
        targets = {LAMBDA_PORT: _address(self._endpoints.platform)}
        if self._endpoints.others:
            targets[AWS_PORT] = _address(self._endpoints.others)
        with contextlib.suppress(ValueError):  # the API refuses such a tag; one of an older state must end nothing
            targets |= outbound.parse(function.tags.get(outbound.TAG, ""))
        return targets


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """One connection, both ways, until both sides have ended it or one is lost."""
    out: asyncio.StreamWriter | None = None
    try:
        there, out = await asyncio.open_connection(host, port, limit=_PART)
        await asyncio.gather(_pump(reader, out), _pump(there, writer))
    except OSError:
        pass  # the inside sees its connection closed, as by a peer that is not there
    finally:
        for end in (writer, out):
            if end is not None:
                end.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(_PART):
        writer.write(part)
        await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
