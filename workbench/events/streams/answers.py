"""What a function is sent of a stream, and what its answer means.

AWS Lambda developer guide, "Configuring partial batch response with Kinesis Data Streams and Lambda": which answers are
a success, which a failure of the whole batch; "Implementing stateful Kinesis Data Streams processing": what a window
adds, and that an answer without `state` is a failure there.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from workbench.events.streams.records import Batch, Failed, Outcome, Took, Window


def payload_of(batch: Batch, shard: str, source: str) -> bytes:
    """The event with a batch; `shard` is the shard's id, `source` the ARN of its stream."""
    records = ",".join(record.body for record in batch.records)
    if batch.window is None:
        return f'{{"Records":[{records}]}}'.encode()
    rest = json.dumps(_window(batch.window, shard, source))
    return f'{{"Records":[{records}],"state":{batch.window.state},{rest[1:]}'.encode()


def _window(window: Window, shard: str, source: str) -> dict[str, Any]:
    return {
        "window": {"start": _time(window.start_s), "end": _time(window.end_s)},
        "shardId": shard,
        "eventSourceARN": source,
        "isFinalInvokeForWindow": window.final,
        "isWindowTerminatedEarly": window.early,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def outcome_of(batch: Batch, payload: bytes, error: str | None, *, report: bool) -> Outcome:
    """How the function's answer counts; `report`: it was agreed that it names the records that it failed."""
    if error is not None:
        return Failed()
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        answer = None
    fields = answer if isinstance(answer, dict) else {}
    state = _state(batch, fields)
    if state is None:
        return Failed()
    if report and fields.get("batchItemFailures"):
        return Failed(_first(batch, fields["batchItemFailures"]), state)
    return Took(state)


def _state(batch: Batch, answer: dict[str, Any]) -> str | None:
    """The state of the window in the answer; None when one is missing."""
    if batch.window is None or not batch.records:
        return "{}"
    state = answer.get("state")
    return json.dumps(state) if isinstance(state, dict) else None


def _first(batch: Batch, failures: Any) -> str | None:
    """The first record of the batch among those reported; None when the report makes no sense."""
    places = {sequence: place for place, sequence in enumerate(batch.sequences)}
    found = []
    for failure in failures if isinstance(failures, list) else [None]:
        sequence = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(sequence, str) or sequence not in places:
            return None
        found.append(places[sequence])
    return batch.sequences[min(found)]
