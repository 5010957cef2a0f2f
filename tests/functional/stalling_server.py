"""A real HTTP server that answers at once, except that it stalls once, wholly, for a stated time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stall:
    """Its plan, in seconds; where it answers; its first request and the stall's beginning and end, as it saw them."""

    after_s: float
    lasts_s: float
    url: str = ""
    first_s: float | None = None
    seen_s: list[tuple[float, float]] = field(default_factory=list)

    def passes(self, now: float) -> None:
        """A request has arrived: the first one starts the clock, the first after `after_s` meets the stall."""
        if self.first_s is None:
            self.first_s = now
        if not self.seen_s and now >= self.first_s + self.after_s:
            time.sleep(self.lasts_s)  # the loop's only thread: nothing is read, answered or accepted meanwhile
            self.seen_s.append((now, time.monotonic()))


class _Connection(asyncio.Protocol):
    def __init__(self, stall: Stall) -> None:
        self._stall = stall

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._stall.passes(time.monotonic())
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" * data.count(b"\r\n\r\n"))


@contextmanager
def stalling_server(after_s: float, lasts_s: float) -> Iterator[Stall]:
    """The server, on a thread of its own; its requests must have no body, so that each fits one packet."""
    stall = Stall(after_s, lasts_s)
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        # A backlog that holds whoever connects during the stall: a refused connection would try again a second later.
        server = await loop.create_server(lambda: _Connection(stall), "127.0.0.1", 0, backlog=4096)
        stall.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield stall
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
