"""An instance in Node.js whose Runtime API the test plays, in bytes: what went over the wire is there to see."""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.functional.sandboxes.boxes import Marks, eventually, output
from workbench import isolation
from workbench.sandbox import SandboxSpec
from workbench.service import Resources

_numbers = itertools.count(1)


@dataclass
class Said:
    """One request of the runtime: chunks as they came where it was chunked."""

    method: str
    path: str
    headers: dict[str, str]
    chunks: list[bytes]
    trailers: dict[str, str]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Instance:
    """A `lambda_host.py` in Node.js, and its Runtime API."""

    def __init__(
        self, files: dict[str, str], handler: str, tmp_path: Path, backend: str = "process", **more: Any
    ) -> None:
        code = tmp_path / f"code-{next(_numbers)}"
        for name, text in files.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            (code / name).write_text(text)
        name = f"node-{os.getpid()}-{next(_numbers)}"
        resources = more.pop("resources", Resources(timeout_s=20))
        spec = SandboxSpec(name, "lambda_host.py", handler, code, resources, language="nodejs", **more)
        self.box = isolation.launcher(backend)(spec)
        self.marks = Marks(self.box.control)
        self.seen = self.marks.until("runtime_ready")
        self._listener = socket.socket(fileno=self.marks.descriptors[0])
        self._listener.settimeout(60)
        self._client, _ = self._listener.accept()
        self._client.settimeout(60)
        self._reader = self._client.makefile("rb")
        self._requests = itertools.count(1)

    def hear(self) -> Said:
        """The next request of the runtime, whole."""
        said = self.head()
        if said.headers.get("transfer-encoding") == "chunked":
            while (chunk := self.chunk()) is not None:
                said.chunks.append(chunk)
            said.trailers = self._fields()
        else:
            said.chunks.append(self._reader.read(int(said.headers.get("content-length", 0))))
        return said

    def head(self) -> Said:
        first = self._reader.readline().decode().split()
        assert first, f"the runtime closed its connection; it printed {output(self.box)}"
        return Said(first[0], first[1], self._fields(), [], {})

    def chunk(self) -> bytes | None:
        """The next chunk of a streamed body, None at its end."""
        size = int(self._reader.readline(), 16)
        if not size:
            return None
        chunk = self._reader.read(size)
        self._reader.readline()
        return chunk

    def trailers(self) -> dict[str, str]:
        return self._fields()

    def _fields(self) -> dict[str, str]:
        fields = {}
        while line := self._reader.readline().strip():
            name, _, value = line.decode().partition(":")
            fields[name.lower()] = value.strip()
        return fields

    def accept(self) -> None:
        self._client.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    def give(self, event: Any = None, **headers: str) -> str:
        """Answer the runtime's poll with an event; the id of the request."""
        poll = self.hear()
        assert (poll.method, poll.path) == ("GET", "/2018-06-01/runtime/invocation/next")
        request = f"request-{next(self._requests)}"
        body = json.dumps(event if event is not None else {}).encode()
        fields = {
            "Lambda-Runtime-Aws-Request-Id": request,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 20_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:shop",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._client.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
        return request

    def invoke(self, event: Any = None, **headers: str) -> Said:
        """What the runtime says to an event."""
        request = self.give(event, **headers)
        said = self.hear()
        self.accept()
        assert said.path in (f"/2018-06-01/runtime/invocation/{request}/{what}" for what in ("response", "error"))
        return said

    def value(self, event: Any = None, **headers: str) -> Any:
        said = self.invoke(event, **headers)
        assert said.path.endswith("/response"), said.body
        return said.json

    def ended(self) -> int | None:
        assert eventually(lambda: self.box.exit_code() is not None)
        return self.box.exit_code()

    def printed(self) -> str:
        return output(self.box)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.box.close()
        self._reader.close()
        self._client.close()
        self._listener.close()


def failure_in(trailers: dict[str, str]) -> Any:
    return json.loads(base64.b64decode(trailers["lambda-runtime-function-error-body"]))
