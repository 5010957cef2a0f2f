"""What the tests of sandboxes share: a service written for them, reading marks, waiting for something to be so."""

from __future__ import annotations

import array
import glob
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil

from workbench.sandbox import Sandbox

SERVICE = """
import os, subprocess, sys, threading, time

ticks = 0
both = threading.Barrier(2)

def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.005)

threading.Thread(target=count, daemon=True).start()
print("module loaded", flush=True)

def handler(event, context):
    what = event.get("do", "echo")
    if what == "ticks":
        return ticks
    if what == "meet":  # only answered when two requests are in the handler at once
        both.wait(60)
        return "met"
    if what == "fill":
        return len(bytearray(event["mb"] * 2**20).replace(b"\\0", b"x"))
    if what == "hold":
        held = bytearray(event["mb"] * 2**20).replace(b"\\0", b"x")
        time.sleep(600)
        return len(held)
    if what == "spin":
        deadline = time.process_time() + event["cpu_s"]
        while time.process_time() < deadline:
            pass
        return time.process_time()
    if what == "exit":
        os._exit(event["code"])
    if what == "child":  # in a session of its own, so that no process group holds it
        sleeper = [sys.executable, "-ISc", "import time; time.sleep(600)"]
        child = subprocess.Popen(sleeper, start_new_session=True)
        return child.pid
    if what == "print":
        print(event["text"], flush=True)
        print(event["text"], file=sys.stderr, flush=True)
    if what == "environment":
        return dict(os.environ)
    if what == "files":
        found = {"cwd": os.getcwd(), "writable": {}}
        for place in (os.environ["LAMBDA_TASK_ROOT"], os.environ.get("TMPDIR", "/tmp")):
            try:
                with open(os.path.join(place, "written"), "w") as file:
                    file.write("x")
                found["writable"][place] = True
            except OSError:
                found["writable"][place] = False
        return found
    return {"echo": event, "name": context.function_name, "memory": context.memory_limit_in_mb}
"""


def eventually(true: Callable[[], Any], *, patience_s: float = 30) -> bool:
    """Whether `true()` becomes so; the patience only bounds a failing test."""
    deadline = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Marks:
    """Reads the control channel: marks in order, descriptors that came with them."""

    def __init__(self, control: socket.socket) -> None:
        self._control, self._buffer = control, b""
        self.descriptors: list[int] = []
        self._control.settimeout(60)

    def next(self) -> dict[str, Any] | None:
        """The next mark, None at the channel's end."""
        while b"\n" not in self._buffer:
            try:
                data, ancillary, _, _ = self._control.recvmsg(65536, socket.CMSG_SPACE(64))
            except ConnectionResetError:
                return None
            for _, _, rights in ancillary:
                self.descriptors += list(array.array("i", rights))
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        mark: dict[str, Any] = json.loads(line)
        return mark

    def until(self, name: str) -> list[str]:
        """The names of the marks up to `name`; fails with the mark that came instead of it."""
        names = []
        while (mark := self.next()) is not None:
            names.append(mark["mark"])
            if mark["mark"] == name:
                return names
            assert mark["mark"] != "init_error", mark
        raise AssertionError(f"the instance ended after {names}")


class RuntimeApi:
    """The platform's end of one `lambda_host.py`'s Runtime API, for one invocation after another."""

    def __init__(self, listener: int) -> None:
        with socket.socket(fileno=listener) as listening:
            listening.settimeout(60)
            self._client, _ = listening.accept()
        self._client.settimeout(60)
        self._asked = False
        self._read = b""

    def request(self) -> bytes:
        """The next request that it makes, head and body."""
        while b"\r\n\r\n" not in self._read:
            self._read += self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)
        while len(self._read) < length:
            self._read += self._more()
        body, self._read = self._read[:length], self._read[length:]  # the next one may come in the same breath
        return head + b"\r\n\r\n" + body

    def wait(self) -> None:
        """Until it asks for an invocation."""
        if not self._asked:
            asked = self.request()
            assert asked.startswith(b"GET /2018-06-01/runtime/invocation/next "), asked
            self._asked = True

    def accept(self) -> None:
        """Answer a report."""
        self._client.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def invoke(self, event: Any) -> Any:
        """Send an event, and return the handler's answer; fails with the error that it reports."""
        self.wait()
        body = json.dumps(event).encode()
        head = (
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nLambda-Runtime-Deadline-Ms: 99999999999999\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:0:function:f\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._client.sendall(head.encode() + body)
        self._asked = False
        answer = self.request()
        assert answer.startswith(b"POST /2018-06-01/runtime/invocation/r-1/response "), answer
        self.accept()
        return json.loads(answer.partition(b"\r\n\r\n")[2])

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _more(self) -> bytes:
        more = self._client.recv(65536)
        if not more:
            raise ConnectionError("the instance closed its connection")
        return more


def call(sandbox: Sandbox, **event: Any) -> Any:
    """Invoke an http_host directly; the handler's answer."""
    url = f"{sandbox.address}/2015-03-31/functions/function/invocations"
    with urllib.request.urlopen(url, data=json.dumps(event).encode(), timeout=120) as answer:
        return json.load(answer)


def output(sandbox: Sandbox) -> str:
    """What the instance has printed since last asked."""
    parts = []
    while True:
        try:
            part = os.read(sandbox.output, 65536)
        except BlockingIOError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def traces(name: str) -> list[str]:
    """Processes, cgroups and directories that carry the instance's name, wherever they are on this machine."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("WORKBENCH_INSTANCE") == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"process {process.pid}")
        except (psutil.Error, OSError):
            continue
    for folder, inner, _ in os.walk("/sys/fs/cgroup"):
        found += [f"cgroup {folder}/{directory}" for directory in inner if directory == name]
    sessions = os.path.join(os.environ["TMPDIR"], "workbench-*", "sessions", "*", f"{name}*")
    found += [f"directory {directory}" for directory in glob.glob(sessions)]
    return found
