"""The platform's side of events that come out of the AWS services: each is put on disk, then the service goes on.

One connection carries frames, a length in four bytes (big-endian) and JSON, each answered by one:

    {"exists": ARN}     {"exists": whether there is such a function}
    {"pushes": [Push]}  {"results": ["accepted" | "gone" | "again"]}, in their order

A Push is {"source": ARN, "function": ARN, "events": [id], "payload": JSON text}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from workbench.events.embedded.sockets import reachable
from workbench.events.flow import Flow, What
from workbench.faas.aws_errors import AwsError
from workbench.faas.companion import Host


class Handover:
    """Takes events in on a Unix socket, which only the owner of its directory reaches."""

    def __init__(self, host: Host, flow: Flow) -> None:
        self._host = host
        self._flow = flow
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self, path: Path) -> None:
        """Take events from now on."""
        self._server = await asyncio.start_unix_server(self._serve, path=reachable(path))

    def close(self) -> None:
        """Take no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                answer = await self._answer(json.loads(await reader.readexactly(size)))
                text = json.dumps(answer).encode()
                writer.write(len(text).to_bytes(4, "big") + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side is gone, or has nothing more to say
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        if "exists" in frame:
            return {"exists": self._exists(frame["exists"])}
        return {"results": await asyncio.gather(*(self._accept(push) for push in frame["pushes"]))}

    def _exists(self, function: str) -> bool:
        try:
            self._host.context.find(function)
        except AwsError:
            return False
        return True

    async def _accept(self, push: dict[str, Any]) -> str:
        source, function, events = push["source"], push["function"], push["events"]
        try:
            request = await self._host.accept(function, push["payload"].encode())
        except Exception as error:
            gone = isinstance(error, AwsError)  # there is no such function; else the disk or the platform is in trouble
            said = error.code if isinstance(error, AwsError) else str(error)
            self._flow.tell(What.DROPPED if gone else What.RETRIED, source, function, events, detail=said)
            print(f"event {events} of {source} is not accepted for {function}: {error}", file=sys.stderr, flush=True)
            return "gone" if gone else "again"
        self._flow.tell(What.ACCEPTED, source, function, events, request=request)
        return "accepted"
