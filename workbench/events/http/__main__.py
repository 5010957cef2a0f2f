"""A gateway's process: what it serves as one JSON line on stdin, its port as one on stdout.

    {"api": {"version", "routes", "stage", ...}, "urls": [...], "credentials": {...} or null, "limit_s": S, "port": P}

Further lines, `{"urls": [...]}`, say where the deployment's instances are now. End of file means that the owner is done
with it or gone: it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
from typing import Any

import uvloop

from workbench.deployment import Credentials
from workbench.errors import WorkbenchError
from workbench.events.http.apis import MAX_BODY
from workbench.events.http.handling import Gateway, Located
from workbench.events.http.library_api import LibraryApi
from workbench.events.http.upstream import Upstream
from workbench.faas.front.http_front import Front

HOST = "127.0.0.1"
_CONNECTIONS = 4096


class _Orders:
    """Lines of the owner, read without blocking."""

    def __init__(self, upstream: Upstream, pending: bytes) -> None:
        self.ended = asyncio.Event()
        self._upstream = upstream
        self._pending = pending
        self._loop = asyncio.get_running_loop()
        os.set_blocking(0, False)
        self._loop.add_reader(0, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(0, 1 << 20)
            if not data:
                self._loop.remove_reader(0)
                self.ended.set()
                return
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                self._upstream.replace(json.loads(line)["urls"])


async def _serve(told: dict[str, Any], pending: bytes) -> None:
    credentials = Credentials(**told["credentials"]) if told["credentials"] else None
    api = LibraryApi(**told["api"]).api()
    upstream = Upstream(told["urls"], credentials, told["limit_s"])

    async def locate(target: str) -> Located:
        return Located(api, target)

    gateway = Gateway(locate, upstream, default=api.kind)
    front = Front(gateway, MAX_BODY, _CONNECTIONS)
    try:
        gateway.port = await front.listen(HOST, told["port"])
        orders = _Orders(upstream, pending)
        print(json.dumps({"port": gateway.port}), flush=True)
        gc.collect()
        gc.freeze()
        await orders.ended.wait()
    finally:
        await front.close()
        await upstream.close()


def main() -> int:
    """Serve until the owner ends; the exit status."""
    first = b""
    while b"\n" not in first:
        part = os.read(0, 1 << 20)
        if not part:
            return 0
        first += part
    line, _, pending = first.partition(b"\n")
    try:
        uvloop.run(_serve(json.loads(line), pending))
    except (WorkbenchError, OSError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
