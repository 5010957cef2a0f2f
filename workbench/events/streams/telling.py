"""What the flow of events is told of one shard's records."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workbench.events.flow import Flow, What
from workbench.events.mapping import Mapping
from workbench.events.streams.records import Again, Batch, Command, GivenUp, Halved, Send


class Telling:
    """Words a shard's steps; the id of an event is `shard:sequence number`."""

    def __init__(self, flow: Flow, mapping: Mapping, shard: str) -> None:
        self._flow = flow
        self._mapping = mapping
        self._shard = shard

    def of(
        self,
        what: What,
        sequences: Sequence[str],
        *,
        batch: int = 0,
        request: str = "",
        instance: str = "",
        why: str = "",
    ) -> None:
        """One step of some records."""
        if sequences:
            self._flow.tell(
                what,
                self._mapping.source,
                self._mapping.function,
                [sys.intern(f"{self._shard}:{sequence}") for sequence in sequences],  # kept once for all its steps
                batch=self._name(batch),
                request=request,
                instance=instance,
                detail=why,
            )

    def command(self, command: Command) -> None:
        """What was decided about a batch."""
        match command:
            case Send(batch):
                self._step(What.BATCHED, batch, f"{len(batch.records)} records")
            case Again(batch):
                self._step(What.RETRIED, batch, f"try {batch.tries + 1}")
            case Halved(batch, halves):
                self._step(What.BISECTED, batch, " and ".join(self._name(half.number) for half in halves))
            case GivenUp(batch, condition):
                self._step(What.DEAD if self._mapping.on_failure else What.DROPPED, batch, condition)

    def _step(self, what: What, batch: Batch, why: str) -> None:
        self.of(what, batch.sequences, batch=batch.number, why=why)

    def _name(self, batch: int) -> str:
        return f"{self._mapping.uuid}/{self._shard}/{batch}" if batch else ""
