"""One invocation on its way, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.function import Function
from workbench.faas.running.live_instance import LiveInstance
from workbench.faas.running.logs import tail
from workbench.faas.running.response_stream import Sink
from workbench.sandbox import Technique


@dataclass(slots=True)
class Call:
    """One invocation on its way."""

    request: str
    function: Function
    payload: bytes
    client_context: str
    answer: asyncio.Future[Outcome]
    sink: Sink | None = None
    arn: str = ""  # by which it was called: an alias has one of its own
    instance: LiveInstance | None = None
    dispatched: float = 0.0
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended: the handler's answer, or with `error` what AWS answers in its place."""

    request: str
    payload: bytes  # empty when it went to a sink
    error: str | None
    instance: str
    version: str
    cold: bool
    technique: Technique
    phases: dict[str, float | None]
    init_ms: float
    billed_ms: int
    max_memory_mb: int
    log: list[bytes]

    def log_tail(self) -> bytes:
        """The last 4 KB of the invocation's log."""
        return tail(self.log)


Watcher = Callable[["Call", "Outcome | AwsError"], None]
"""Is told how each invocation ended."""
