"""What a gateway calls: a function, wherever it runs. The event goes in, what the handler returned comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from workbench.events.http.apis import Integration
from workbench.events.http.refusals import Refusal
from workbench.faas.urls.url_events import UrlAnswer

MAX_EVENT = 6 * 2**20
"""Largest event and largest answer of a function in bytes (Lambda quotas)."""


@dataclass(frozen=True, slots=True)
class Returned:
    """How a function's call ended: `payload` is what its handler returned, or with `error` what it raised, as JSON.

    `headers` tell which instance it was, as Invoke does: X-Workbench-Instance, X-Workbench-Cold.
    """

    payload: bytes
    error: str = ""
    instance: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Streaming:
    """An answer that comes as it is made: status and headers first, then `chunks`."""

    head: UrlAnswer
    chunks: AsyncIterator[bytes]


class NotRun(Exception):
    """The function did not run, or has no answer; `why` is what the gateway makes of it."""

    def __init__(self, why: Refusal, reason: str) -> None:
        super().__init__(reason)
        self.why = why


class Backend(Protocol):
    """Calls functions."""

    async def invoke(self, integration: Integration, event: bytes, request_id: str) -> Returned | Streaming:
        """Call the function and wait; the gateway's time limit cancels. Raises NotRun."""
