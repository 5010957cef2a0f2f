"""One instance of Java run for its class list: up to its first answer, as `lambda_host.py` and as `http_host.py`."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from typing import IO

from workbench.errors import CapabilityMissing

_PATIENCE_S = 120.0
_EVENT = b'{"name": "a\\u00e9", "numbers": [1, 2], "price": 1.5, "other": {"true": [true, null]}}'


def watch(command: list[str], *, image: Path, task: Path, loaded: Path) -> None:
    """Run `command` of the Java runtime `image` over the training service in `task`; its classes' names go to `loaded`.

    Raises CapabilityMissing with what it printed where it does not come to its first answer.
    """
    program, *arguments = command
    control, theirs = socket.socketpair()
    with control, theirs, socket.create_server(("127.0.0.1", 0)) as listener:
        number = theirs.fileno()
        environment = {
            "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": str(image / "lib"),
            "_HANDLER": "training.Training",
            "LAMBDA_TASK_ROOT": str(task),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "WORKBENCH_TIMEOUT_S": "30",
            "WORKBENCH_JAVA_LAYERS": "/nonexistent",
            "WORKBENCH_CONTROL_FD": str(number),
            "WORKBENCH_LISTEN_FD": str(listener.fileno()),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{listener.getsockname()[1]}",
        }
        process = subprocess.Popen(
            [program, "-Xshare:off", f"-XX:DumpLoadedClassList={loaded}", *arguments],
            env=environment,
            pass_fds=[number, listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            theirs.close()
            if arguments[-1] == "http":
                _call_host(control, listener)
            else:
                _serve_api(listener)
        except (OSError, ValueError) as error:
            process.kill()
            said = process.communicate()[0].strip()[-600:]
            raise CapabilityMissing(
                f"The Java runtime image does not run ({error}): {said}", "Use another JDK."
            ) from error
        finally:
            control.close()  # its owner is gone, and so it ends
            try:
                process.communicate(timeout=_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _serve_api(listener: socket.socket) -> None:
    """Be a Runtime API that has one invocation to give."""
    listener.settimeout(_PATIENCE_S)
    client, _ = listener.accept()
    with client, client.makefile("rb") as lines:
        client.settimeout(_PATIENCE_S)
        _take(lines)
        head = (
            f"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 1\r\nContent-Length: {len(_EVENT)}\r\n"
            f"Lambda-Runtime-Trace-Id: Root=1\r\nLambda-Runtime-Deadline-Ms: {int(time.time() * 1000) + 30_000}\r\n\r\n"
        )
        client.sendall(head.encode() + _EVENT)
        path, body = _take(lines)
        if not path.endswith("/response"):
            raise ValueError(f"it answered {body.decode()!r}")
        client.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        _take(lines)


def _call_host(control: socket.socket, listener: socket.socket) -> None:
    """Be a client with two requests, once the host says that it takes some."""
    control.settimeout(_PATIENCE_S)
    marks = b""
    while b"function_ready" not in marks:
        more = control.recv(65536)
        if not more or b"init_error" in more:
            raise ValueError(f"it said {more.decode()!r}")
        marks += more
    with (
        socket.create_connection(listener.getsockname(), timeout=_PATIENCE_S) as client,
        client.makefile("rb") as lines,
    ):
        for path in ("/2015-03-31/functions/function/invocations", "/path?query=1"):
            head = f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {len(_EVENT)}\r\n\r\n".encode() + _EVENT)
            status, body = _take(lines)
            if status != "200":
                raise ValueError(f"it answered {status}: {body.decode()!r}")


def _take(lines: IO[bytes]) -> tuple[str, bytes]:
    """The second word of a message's first line, and its body."""
    first = lines.readline().decode().split()
    if len(first) < 2:
        raise ValueError("it closed the connection")
    length = 0
    while line := lines.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return first[1], lines.read(length)
