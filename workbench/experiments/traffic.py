"""Light traffic while something is done to a deployment: does anybody notice?"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError

KEPT_CALLS = 20_000
"""The first so many calls are kept one by one; the counts go on."""


@dataclass(frozen=True)
class Call:
    """One call: sent `at_s` (seconds, monotonic), over after `took_ms`; `failure` is empty where it was answered."""

    at_s: float
    took_ms: float
    instance_id: str
    payload: Any
    failure: str


class Traffic:
    """Invokes every `every_s` seconds while the `with` block runs, whether or not earlier ones have answered.

    `asked` and `failed` count when the block has ended, and `calls` has them by the time sent; `first_failure` is the
    first message. It asks whether requests fail, not how long they take: latency under load is the load generator's
    business.
    """

    def __init__(self, deployment: Deployment, payload: Any, every_s: float = 0.05) -> None:
        self.asked = 0
        self.failed = 0
        self.first_failure = ""
        self.calls: list[Call] = []
        self._deployment = deployment
        self._payload = payload
        self._every_s = every_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="traffic")
        self._sender = threading.Thread(target=self._send, name="traffic")

    def __enter__(self) -> Self:
        self._sender.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._sender.join()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.calls.sort(key=lambda call: call.at_s)

    def _send(self) -> None:
        while not self._stop.wait(self._every_s):
            self._threads.submit(self._invoke)

    def _invoke(self) -> None:
        began, instance, payload, failure = time.monotonic(), "", None, ""
        try:
            result = self._deployment.invoke(self._payload)
            instance, payload = result.instance_id, result.payload
        except WorkbenchError as error:
            failure = str(error).splitlines()[0]
        call = Call(began, (time.monotonic() - began) * 1000, instance, payload, failure)
        with self._lock:
            self.asked += 1
            self.failed += bool(failure)
            self.first_failure = self.first_failure or failure
            if len(self.calls) < KEPT_CALLS:
                self.calls.append(call)
