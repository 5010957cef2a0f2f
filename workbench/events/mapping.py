"""An event source mapping: which source, which function, and how events go from one to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.events.flow import Flow
from workbench.faas.companion import Host


@dataclass(frozen=True, slots=True)
class Mapping:
    """The configuration of one mapping, as it is in force (Lambda API reference, "EventSourceMappingConfiguration").

    Times in seconds; -1 for "without end" as in AWS's API. `function` is the ARN as given, with its qualifier.
    """

    uuid: str
    source: str  # ARN of a queue, of a Kinesis stream, of a table's stream
    function: str
    batch_size: int
    window_s: int = 0  # MaximumBatchingWindowInSeconds
    filters: tuple[dict[str, Any], ...] = ()  # patterns, parsed; an event passes if it matches one, or there is none
    report_failures: bool = False  # FunctionResponseTypes has ReportBatchItemFailures
    max_concurrency: int | None = None  # ScalingConfig.MaximumConcurrency, of queues
    # of streams:
    start: str = ""  # TRIM_HORIZON, LATEST, AT_TIMESTAMP
    start_at_s: float = 0.0
    parallel: int = 1  # ParallelizationFactor
    bisect: bool = False
    max_age_s: int = -1
    max_retries: int = -1
    tumbling_s: int = 0
    on_failure: str = ""  # ARN

    @property
    def service(self) -> str:
        """`sqs`, `kinesis` or `dynamodb`."""
        return self.source.split(":")[2]


class Poller(Protocol):
    """Reads one mapping's source and invokes its function, until it is told to stop."""

    async def stop(self) -> None:
        """Read nothing more, and return when what is under way is done with."""

    async def close(self) -> None:
        """End at once; what was not confirmed comes again."""

    @property
    def last_result(self) -> str:
        """As AWS words it in LastProcessingResult: `No records processed`, `OK`, `PROBLEM: ...`."""


StartPoller = Callable[[Host, Flow, Mapping], Poller]
"""Begins to read; called on the platform's event loop."""
