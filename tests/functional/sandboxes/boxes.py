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
