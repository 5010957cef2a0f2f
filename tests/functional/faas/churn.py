"""Load for the churn test: kept-alive connections that write their own HTTP, so that no library retries or hides."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.functional.faas.platform import Platform

HANDLER = """
import os, time

def handler(event, context):
    if "file" in event:
        file = os.open(event["file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, event["id"].encode() + b"\\n")
        os.close(file)
    time.sleep(event["sleep"])
    return {"id": event["id"], "pid": os.getpid()}
"""

MAY_HAVE_RUN = frozenset({"Runtime.ExitError"})
"""What the body of an answer with X-Amz-Function-Error calls it when the instance ended under the invocation."""

DID_NOT_RUN = frozenset({"ServiceException", "TooManyRequestsException"})
"""The error codes of answers without it: the invocation never reached an instance."""

_RESIGN_S = 60.0
_PATIENCE_S = 90.0
"""Far beyond the function's own time limit of 20 s: who has no answer by then gets none."""


@dataclass
class Tally:
    """What became of every invocation, by its id."""

    answered: set[str] = field(default_factory=set)
    may_have_run: set[str] = field(default_factory=set)
    did_not_run: set[str] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)

    @property
    def total(self) -> int:
        """How many invocations have ended."""
        return len(self.answered) + len(self.may_have_run) + len(self.did_not_run)

    def judge(self, invocation: str, status: int, headers: dict[str, str], body: bytes) -> None:
        """Put the answer where it belongs; raises AssertionError when it is not one that says what happened."""
        said = json.loads(body)
        shown = f"{invocation}: {status} {headers} {body[:300]!r}"
        if status != 200:
            assert status in (429, 500, 503), shown
            assert headers.get("x-amzn-errortype") in DID_NOT_RUN, shown
            self.did_not_run.add(invocation)
        elif "x-amz-function-error" in headers:
            assert said["errorType"] in MAY_HAVE_RUN, shown
            self.may_have_run.add(invocation)
        else:
            assert said["id"] == invocation, f"mixed up: {shown}"
            self.pids.add(said["pid"])
            self.answered.add(invocation)


class Load:
    """`count` invocations of `function` over `connections`; `on_progress(done)` is called as they end."""

    def __init__(
        self, platform: Platform, function: str, count: int, connections: int, on_progress: Callable[[int], None]
    ) -> None:
        self.tally = Tally()
        self.file = ""  # where the handler writes what it was given, if it can reach it
        self._platform, self._function = platform, function
        self._count, self._connections = count, connections
        self._on_progress = on_progress
        self._random = random.Random(7)
        self._signed_at, self._signature = -_RESIGN_S, b""

    async def run(self) -> Tally:
        """Send everything, each connection as soon as it has its answer."""
        numbers = iter(range(self._count))
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                group.create_task(self._worker(numbers))
        return self.tally

    async def _worker(self, numbers: Iterator[int]) -> None:
        at = urlsplit(self._platform.endpoint)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        try:
            for number in numbers:
                try:
                    await asyncio.wait_for(self._invoke(f"i{number}", reader, writer), _PATIENCE_S)
                except TimeoutError:
                    raise AssertionError(f"i{number} was never answered") from None
                self._on_progress(self.tally.total)
            writer.write_eof()
            assert await reader.read() == b"", "an answer that nobody asked for"
        finally:
            writer.close()

    async def _invoke(self, invocation: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sleep = self._random.choice((0, 0, 0.001, 0.005))
        event = {"id": invocation, "sleep": sleep} | ({"file": self.file} if self.file else {})
        body = json.dumps(event).encode()
        writer.write(self._head() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        answer = await reader.readexactly(int(headers["content-length"]))
        self.tally.judge(invocation, int(first.split()[1]), headers, answer)

    def _head(self) -> bytes:
        if time.monotonic() - self._signed_at > _RESIGN_S:
            path = f"/2015-03-31/functions/{self._function}/invocations"
            # The body changes with every request; this way one signature covers them all.
            unsigned = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "Host": urlsplit(self._platform.endpoint).netloc}
            request = AWSRequest("POST", self._platform.endpoint + path, headers=unsigned)
            ready = self._platform.ready
            credentials = Credentials(ready["access_key_id"], ready["secret_access_key"])
            SigV4Auth(credentials, "lambda", ready["region"]).add_auth(request)
            lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
            self._signature = f"POST {path} HTTP/1.1\r\n{lines}".encode()
            self._signed_at = time.monotonic()
        return self._signature
