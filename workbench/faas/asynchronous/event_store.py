"""What of asynchronous invocations is on disk: events not yet done with, and messages about those that are.

An event leaves the queue in the same transaction that puts what follows from it (an event for the next function, a
message for a queue or topic) on disk: SIGKILL between the two neither loses nor doubles anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from workbench.faas.functions.storage import Statement, Storage


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An asynchronous invocation as accepted; times in seconds since the epoch, so that they hold across restarts.

    `attempts` counts the times that the function failed it, `hops` the destinations that led here, `last` is how the
    latest attempt ended (JSON; empty before the first).
    """

    id: str
    function: str
    payload: bytes
    client_context: str
    accepted_s: float
    due_s: float
    attempts: int = 0
    qualifier: str = ""
    hops: int = 0
    last: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """Something to tell `target` (an ARN) about an event of `function`: kind "success", "failure" or "dead-letter".

    Kind "batch" is about records of a stream; `function` is then the mapping's UUID, a slash and the shard.
    """

    id: str
    function: str
    target: str
    kind: str
    body: bytes
    attributes: str  # JSON: name to text; of dead letters
    made_s: float
    expires_s: float


class EventStore:
    """The queue and the outbox in the platform's storage; all writing raises sqlite3.Error when the disk refuses."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def events(self) -> list[StoredEvent]:
        """Every event that was accepted and not yet done with, oldest first."""
        return [StoredEvent(*row) for row in self._storage.rows("SELECT * FROM queue ORDER BY accepted_s")]

    def messages(self) -> list[StoredMessage]:
        """Every message that was not yet delivered, oldest first."""
        return [StoredMessage(*row) for row in self._storage.rows("SELECT * FROM outbox ORDER BY made_s")]

    async def settle(
        self,
        done: str = "",
        events: Iterable[StoredEvent] = (),
        messages: Iterable[StoredMessage] = (),
        along: Iterable[Statement] = (),
    ) -> None:
        """Forget the event `done`, keep what is new or changed, do what goes `along`: all or nothing, then on disk."""
        statements: list[Statement] = [("DELETE FROM queue WHERE id = ?", (done,))] if done else []
        statements += [
            ("INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(event)) for event in events
        ]
        statements += [
            ("INSERT OR REPLACE INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(message)) for message in messages
        ]
        await self._storage.write([*statements, *along])

    async def forget_message(self, message: str) -> None:
        """The message is delivered, or given up."""
        await self._storage.write([("DELETE FROM outbox WHERE id = ?", (message,))])
