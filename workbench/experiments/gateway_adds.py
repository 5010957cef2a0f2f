"""What an HTTP gateway adds to a call: the same event, straight to the service and as a request through a gateway."""

from __future__ import annotations

import contextlib
import http.client
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from workbench.deployment import Deployment
from workbench.errors import InvocationError
from workbench.events.http import HttpGateway, gateway
from workbench.experiments.progress import Progress, keeping, silent
from workbench.invocation import Target
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile

EXPERIMENT = "gateway_adds"


class _Client:
    """One caller with one connection, so that neither way pays for a new one in a sample."""

    def __init__(self) -> None:
        self._open: dict[str, http.client.HTTPConnection] = {}

    def ms(self, target: Target) -> float:
        """Milliseconds from the request to the last byte of its answer; raises InvocationError for one that failed."""
        parts = urlsplit(target.url)
        connection = self._open.setdefault(parts.netloc, http.client.HTTPConnection(parts.netloc, timeout=60))
        began = time.perf_counter()
        try:
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(target.method, path, target.body or None, dict(target.headers))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise InvocationError(f"{target.url} did not answer: {error}") from error
        took = (time.perf_counter() - began) * 1000
        if answer.status >= 400 or answer.getheader("X-Amz-Function-Error"):
            raise InvocationError(f"{target.url} answered {answer.status}: {body[:300]!r}")
        return took

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


@dataclass
class _Pair:
    deployment: Deployment
    through: HttpGateway
    method: str
    path: str
    body: bytes
    direct_ms: list[float] = field(default_factory=list)
    through_ms: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)

    def take(self, client: _Client, number: int, began: float) -> None:
        """One sample of each, in an order that changes from pair to pair."""
        at_s = time.monotonic() - began
        request = self.method, self.path, self.body, {"Content-Type": "application/json"} if self.body else {}
        targets = self.deployment.targets(self.through.event(*request))
        straight, routed = targets[number % len(targets)], self.through.targets(*request)[0]
        if number % 2:
            through, direct = client.ms(routed), client.ms(straight)
        else:
            direct, through = client.ms(straight), client.ms(routed)
        self.direct_ms.append(direct)
        self.through_ms.append(through)
        self.taken_s.append(at_s)

    def forget(self) -> None:
        """What was taken so far was a warm-up."""
        self.direct_ms, self.through_ms, self.taken_s = [], [], []


def gateway_adds(
    *deployments: Deployment,
    samples: int = 100,
    method: str = "GET",
    path: str = "/",
    body: bytes = b"",
    version: str = "2.0",
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Call each deployment straight and through a gateway of its own, in turn, by one caller on open connections.

    Samples: milliseconds that a call through the gateway took longer than the straight one beside it; one pair of each
    deployment after the other, and first one way, then the other. Both ways the handler gets the event of that request
    (a `body` is JSON). Detail: direct_ms, through_ms (lists, in pairs), p50_direct_ms, p50_through_ms, version. Raises
    InvocationError when the service does not answer such a request, and Interrupted.
    """
    tell = progress or silent
    client = _Client()
    with contextlib.ExitStack() as stack:
        stack.callback(client.close)
        pairs = [_Pair(d, stack.enter_context(gateway(d, version=version)), method, path, body) for d in deployments]

        def so_far(complete: bool) -> tuple[Measurement, ...]:
            return tuple(_measurement(pair, version, complete) for pair in pairs)

        with keeping(lambda: so_far(False)):
            for pair in pairs:
                pair.take(client, 0, time.monotonic())
                pair.forget()
            began = time.monotonic()
            for number in range(samples):
                for place, pair in enumerate(pairs):
                    tell("gateway", number * len(pairs) + place, samples * len(pairs))
                    pair.take(client, number, began)
        tell("gateway", samples * len(pairs), samples * len(pairs))
        return so_far(True)


def _measurement(pair: _Pair, version: str, complete: bool) -> Measurement:
    count = len(pair.taken_s)
    direct, through = tuple(pair.direct_ms[:count]), tuple(pair.through_ms[:count])
    detail: dict[str, Any] = {
        "version": version,
        "direct_ms": list(direct),
        "through_ms": list(through),
        "p50_direct_ms": percentile(direct, 50) if direct else None,
        "p50_through_ms": percentile(through, 50) if through else None,
    }
    how = (
        f"{count} pairs of calls with the same event by one caller on open connections, one straight to the service "
        "and one through the gateway's process on this machine, in an order that changes; a sample is their difference"
    )
    return Measurement(
        EXPERIMENT,
        pair.deployment.pattern,
        pair.deployment.sandbox,
        "ms",
        tuple(b - a for a, b in zip(direct, through, strict=True)),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
        taken_s=tuple(pair.taken_s),
    )
