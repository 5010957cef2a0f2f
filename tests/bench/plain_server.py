"""A server that answers every request at once, and on `/stall` stops for so many seconds as its query says.

    python -m tests.bench.plain_server PORT

One thread without a framework, so that what is measured is the client. Stalled is the whole of it: while it sleeps,
nothing is read, answered or accepted.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STALL = b"GET /stall?"


class Connection(asyncio.Protocol):
    """One client; each of its requests fits one packet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one but for its ancestors

    def data_received(self, data: bytes) -> None:
        if data.startswith(STALL):
            time.sleep(float(data.removeprefix(STALL).split(b" ", 1)[0]))
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
