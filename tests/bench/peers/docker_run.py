"""`docker run` of the same interpreter and handler: from the command to the first answer at its published port.

The image is our own root file system, so that nothing but the sandbox differs; no limit is set and nothing is dropped,
which is the engine's fastest. The handler is served by the runtime that our containers use; it wants a control socket,
and ends when we do.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker

from tests.bench import handlers
from tests.bench.clients import Answer, Caller, Request
from tests.bench.contenders import Fresh, path
from tests.bench.peers.owned import free_port
from workbench.isolation import channel, rootfs
from workbench.isolation.engine import docker_image
from workbench.session import session_id

_PORT = 8080
_PATIENCE_S = 60.0


class DockerRun:
    """A container for every cold start, started by the command line or, with `api`, through the engine's API.

    The API is the faster way: the command's own start does not count. What people call `docker run` is the command.
    """

    def __init__(self, directory: Path, *, api: bool = False) -> None:
        self.name = "docker run (API)" if api else "docker run"
        self._api = api
        self._client = docker.from_env(timeout=60)
        self._image = docker_image.image(self._client)
        self._code = directory
        (directory / "app.py").write_text(handlers.PYTHON)
        self._fresh = Fresh()

    def cold_ms(self) -> float:
        port = free_port()
        with _control() as control:
            started = time.perf_counter()
            container = self._run(port, control)
            try:
                answer = _first_answer(port)
                ms = (time.perf_counter() - started) * 1000
                return self._fresh.check(self.name, Answer(ms, answer.status, answer.headers, answer.body))
            finally:
                self._client.api.remove_container(container, force=True)

    def warm(self) -> Request:
        raise NotImplementedError("A container is compared by its start; its server is not a Lambda API.")

    def _run(self, port: int, control: Path) -> str:
        environment = {
            "_HANDLER": "app.handler",
            "LAMBDA_TASK_ROOT": "/var/task",
            "WORKBENCH_CONTROL_PATH": "/run/workbench/control.sock",
            "WORKBENCH_LISTEN_PORT": str(_PORT),
        }
        mounts = {str(self._code): "/var/task", str(control): "/run/workbench"}
        command = [rootfs.interpreter(), *channel.PYTHON_OPTIONS, f"/var/runtime/{channel.HTTP_ENTRY}"]
        labels = {"workbench": "1", "workbench.session": session_id()}
        if self._api:
            container = self._client.containers.run(
                self._image,
                command,
                detach=True,
                environment=environment,
                labels=labels,
                volumes={source: {"bind": target, "mode": "ro"} for source, target in mounts.items()},
                ports={f"{_PORT}/tcp": ("127.0.0.1", port)},
            )
            return str(container.id)
        options = [f"--publish=127.0.0.1:{port}:{_PORT}"]
        options += [f"--env={name}={value}" for name, value in environment.items()]
        options += [f"--label={name}={value}" for name, value in labels.items()]
        options += [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        done = subprocess.run(
            ["docker", "run", "--detach", *options, self._image, *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"docker run failed: {done.stderr.strip()}"
        return done.stdout.strip()


def has_command() -> bool:
    """Whether Docker's command line is here, besides an engine."""
    return shutil.which("docker") is not None


@contextlib.contextmanager
def _control() -> Iterator[Path]:
    """A directory with the socket that the host inside connects to, which is kept open until the end."""
    with (
        tempfile.TemporaryDirectory(prefix="run-") as directory,
        socket.socket(socket.AF_UNIX) as listener,
        contextlib.ExitStack() as open_ends,
    ):
        Path(directory).chmod(0o755)
        listener.bind(f"{directory}/control.sock")
        Path(directory, "control.sock").chmod(0o666)
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):  # shut down before anybody came
                open_ends.enter_context(listener.accept()[0])

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield Path(directory)
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _first_answer(port: int) -> Answer:
    deadline = time.monotonic() + _PATIENCE_S
    url = f"http://127.0.0.1:{port}"
    while True:
        caller = Caller(url)
        with contextlib.closing(caller), contextlib.suppress(OSError, http.client.HTTPException):
            return caller.call(Request(url + path("function"), {"Content-Type": "application/json"}))
        assert time.monotonic() < deadline, "the container does not answer"
        time.sleep(0.001)
