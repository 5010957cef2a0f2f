"""A gateway in front of a deployment, as a notebook has it.

with wb.gateway(function, routes=["GET /prices/{sku}", "ANY /{proxy+}"]) as gateway:
    urllib.request.urlopen(gateway.url + "/prices/A1")

It is a process of its own, so that a measurement through it does not share the notebook's interpreter lock, and the
same one whatever the deployment is. It ends with its owner: its standard input is the owner's.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from workbench.deployment import Deployment, Signed
from workbench.errors import DeploymentError, WorkbenchError
from workbench.events.http.library_api import LibraryApi
from workbench.events.http.routes import DEFAULT
from workbench.invocation import Target
from workbench.session import VARIABLE, session_id

LOOK_EVERY_S = 0.2
"""How soon a gateway knows that a deployment has more or fewer instances."""


def gateway(
    deployment: Deployment,
    routes: Sequence[str] = (),
    *,
    version: str = "2.0",
    stage: str = "",
    variables: Mapping[str, str] | None = None,
    cors: Mapping[str, Any] | None = None,
    rate: float | None = None,
    burst: int | None = None,
    timeout_s: float | None = None,
    binary_types: Sequence[str] = (),
    stream: bool = False,
    port: int = 0,
) -> HttpGateway:
    """Start an HTTP gateway whose routes lead to `deployment`; close it before the deployment.

    `version` is the payload format: "2.0" with the rules of an HTTP API, "1.0" with those of a REST API. `routes` are
    written as AWS has them; none means all requests. `stage` and `variables`: `$default`, for a REST API `prod`. `cors`
    as CreateApi's CorsConfiguration. `rate` (requests a second) and `burst` throttle; `timeout_s` is the integration's,
    from 0.05 to 30 s (REST: 29 s). `binary_types` are a REST API's binary media types; with `stream`,
    which only a REST API has, what a handler streams is passed on as it comes.
    Raises DeploymentError for what AWS would refuse, or when the deployment takes no requests.
    """
    wanted = LibraryApi(
        version,
        routes if isinstance(routes, str) else tuple(routes),
        stage,
        dict(variables or {}),
        None if cors is None else dict(cors),
        rate,
        burst,
        timeout_s,
        tuple(binary_types),
        stream,
    )
    return HttpGateway(deployment, wanted, port)


class HttpGateway:
    """A gateway that serves; a context manager that ends it."""

    def __init__(self, deployment: Deployment, wanted: LibraryApi, port: int = 0) -> None:
        name = wanted.stage_name(wanted.api().kind)  # refused here, before anything is started
        self._deployment = deployment
        self._wanted = wanted
        self._urls = self._now()
        self._closed = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "workbench.events.http"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, VARIABLE: session_id()},
            start_new_session=True,  # Ctrl-C is the owner's to handle
        )
        try:
            self._say(
                {
                    "api": wanted.as_json(),
                    "urls": self._urls,
                    "credentials": asdict(deployment.credentials) if isinstance(deployment, Signed) else None,
                    "limit_s": float(deployment.service.resources.timeout_s),
                    "port": port,
                }
            )
            self.url = f"http://127.0.0.1:{self._port()}" + ("" if name == DEFAULT else f"/{name}")
        except BaseException:
            self.close()
            raise
        if not isinstance(deployment, Signed):  # a platform stays where it is
            threading.Thread(target=self._follow, daemon=True).start()

    def targets(
        self, method: str = "GET", path: str = "/", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Target, ...]:
        """One request through the gateway, for a load generator."""
        pairs = tuple((headers or {}).items())
        return (Target(self.url + path, method, pairs, body, self._deployment.pattern),)

    def event(
        self, method: str = "GET", path: str = "/", body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The event that such a request is for the service; raises DeploymentError when no route takes it."""
        parts = urlsplit(self.url)
        pairs = (("Host", parts.netloc), *(headers or {}).items())
        return self._wanted.event(method, parts.path + path, pairs, body, parts.port or 0)

    @property
    def pid(self) -> int:
        """The gateway's process."""
        return self._process.pid

    def close(self) -> None:
        """End the gateway; what is under way gets a second. May be called twice."""
        self._closed.set()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now(self) -> list[str]:
        return [target.url for target in self._deployment.targets({})]

    def _say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _port(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            told = json.loads(line)
        except ValueError:
            told = {}
        if "port" not in told:
            reason = told.get("error") or f"it ended with {self._process.wait(10)}, and said why on standard error"
            raise DeploymentError(f"The gateway did not start: {reason}")
        return int(told["port"])

    def _follow(self) -> None:
        """Tell the gateway where the instances are, when that has changed."""
        while not self._closed.wait(LOOK_EVERY_S):
            try:
                urls = self._now()
            except WorkbenchError:  # it is closed, or about to be
                urls = []
            if urls != self._urls:
                self._urls = urls
                with contextlib.suppress(OSError, ValueError):  # the gateway ended, or is closed just now
                    self._say({"urls": urls})
