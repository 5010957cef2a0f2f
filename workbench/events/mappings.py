"""Event source mappings: Lambda's own operations on them, where they are kept, and the pollers that they start."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.events.flow import Flow
from workbench.events.mapping import StartPoller
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.operations.context import Table

POLLERS: dict[str, StartPoller] = {}
"""By the service that a source's ARN names: sqs, kinesis, dynamodb."""


class Mappings:
    """All mappings of one platform; a companion of it."""

    def __init__(self, host: Host, flow: Flow) -> None:
        self.operations: Table = {}

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """Nothing of its own."""
        return None

    async def resume(self) -> None:
        """Start the poller of every mapping that is enabled."""

    async def stop(self) -> None:
        """Read nothing more."""

    async def close(self) -> None:
        """End all pollers."""
