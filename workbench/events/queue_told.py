"""What a queue's poller tells: to the flow, of each event, and to the mapping, how it went lately."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable

from workbench.events.flow import Flow, What
from workbench.events.mapping import Mapping
from workbench.events.queue_client import TROUBLE
from workbench.faas.running.calls import Outcome


class Told:
    """Of one mapping; `last_result` is as AWS words it in LastProcessingResult."""

    def __init__(self, flow: Flow, mapping: Mapping) -> None:
        self.last_result = "No records processed"
        self._flow = flow
        self._mapping = mapping

    def step(
        self,
        what: What,
        messages: Iterable[str],
        batch: str = "",
        outcome: Outcome | None = None,
        detail: str = "",
        request: str = "",
    ) -> None:
        """A step of some messages, by their ids."""
        self._flow.tell(
            what,
            self._mapping.source,
            self._mapping.function,
            tuple(messages),
            batch=batch,
            request=outcome.request if outcome else request,
            instance=outcome.instance if outcome else "",
            detail=detail,
        )

    def waiting(self, count: int) -> None:
        """How many messages wait in the queue."""
        self._flow.depth(self._mapping.source, count)

    def problem(self, said: str) -> None:
        """Something went wrong."""
        self.last_result = f"PROBLEM: {said}"

    def trouble(self, error: Exception) -> None:
        """Something was raised: by SQS, or by a mistake of ours."""
        self.problem(str(error))
        if not isinstance(error, TROUBLE):
            traceback.print_exception(error, file=sys.stderr)
