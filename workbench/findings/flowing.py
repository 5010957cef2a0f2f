"""What became of events on their way to a function: the platform's steps, put together to tries, and in a sentence.

A step is a JSON object of the platform's `/_workbench/flow`: at_s, what, source, function, events, batch, request,
instance, detail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.findings.finding import Finding
from workbench.findings.wording import listed

Steps = Sequence[Mapping[str, Any]]

ANSWERED, FAILED, GIVEN_UP, WAITING, UNWANTED = "answered", "failed", "given up", "on their way", "filtered out"
_FATES = {
    "answered": ANSWERED,
    "failed": FAILED,
    "retried": FAILED,
    "bisected": FAILED,
    "dropped": GIVEN_UP,
    "dead-lettered": GIVEN_UP,
    "filtered": UNWANTED,
}
_SERVICES = {
    "s3": "S3",
    "sqs": "SQS",
    "kinesis": "Kinesis",
    "dynamodb": "DynamoDB",
    "ses": "mail",
    "scheduler": "clock",
}


@dataclass(frozen=True)
class Try:
    """One run of a function with some events of one source. Times in seconds since the epoch; None: nobody saw it.

    `came_s`: read from its source, or accepted; `batched_s`: put into the batch; `began_s`: the function was called.
    `failed` names those of `events` that it did not take: none, some or all.
    """

    source: str
    events: tuple[str, ...]
    batch: str
    request: str
    instance: str
    came_s: float
    batched_s: float | None
    began_s: float | None
    ended_s: float
    failed: tuple[str, ...]
    detail: str

    @property
    def result(self) -> str:
        """ANSWERED when all of its events were taken, else FAILED."""
        return FAILED if self.failed else ANSWERED


def source_name(arn: str) -> str:
    """A source as a person calls it: `SQS orders`, `Kinesis clicks`."""
    parts = [*arn.split(":", 5), *[""] * 6]
    service, place = parts[2], parts[5]
    pieces = [piece for piece in place.replace(":", "/").split("/") if piece]
    name = pieces[1] if service in ("kinesis", "dynamodb") and len(pieces) > 1 else (pieces or [""])[-1]
    called = _SERVICES.get(service, "clock" if service == "events" else service)
    return f"{called} {name}".strip() or "a caller"


@dataclass
class _Begun:
    """What is known of an invocation before it ends."""

    came_s: float
    batched_s: float | None
    began_s: float | None
    parts: list[list[Mapping[str, Any]]]  # of each try the steps that end it: some events answered, others failed


def tries(steps: Steps) -> tuple[Try, ...]:
    """Every run of a function that came to its end, in the order of their ends."""
    came: dict[tuple[str, str], float] = {}
    batched: dict[str, float] = {}
    begun: dict[str, _Begun] = {}
    for step in steps:
        what, request, at_s = step["what"], step["request"], step["at_s"]
        if what == "received":
            came.update({(step["source"], event): at_s for event in step["events"]})
        elif what == "batched":
            batched[step["batch"]] = at_s
        elif what == "accepted":
            begun[request] = _Begun(at_s, None, None, [])
        elif what == "invoked":
            seen = [came[step["source"], event] for event in step["events"] if (step["source"], event) in came]
            begun[request] = _Begun(min(seen, default=at_s), batched.get(step["batch"]), at_s, [])
        elif what in ("answered", "failed") and step["source"]:
            one = begun.setdefault(request, _Begun(at_s, None, None, []))
            if one.parts and one.began_s is not None:
                one.parts[-1].append(step)
            else:
                one.parts.append([step])
    ended = [_try(one, parts) for one in begun.values() for parts in one.parts]
    return tuple(sorted(ended, key=lambda run: run.ended_s))


def _try(one: _Begun, parts: Sequence[Mapping[str, Any]]) -> Try:
    failed = [part for part in parts if part["what"] == "failed"]
    return Try(
        parts[0]["source"],
        tuple(event for part in parts for event in part["events"]),
        parts[0]["batch"],
        parts[0]["request"],
        next((part["instance"] for part in parts if part["instance"]), ""),
        one.came_s,
        one.batched_s,
        one.began_s,
        max(part["at_s"] for part in parts),
        tuple(event for part in failed for event in part["events"]),
        failed[0]["detail"] if failed else "",
    )


def fates(steps: Steps) -> dict[tuple[str, str], str]:
    """What each event, by source and id, has come to so far."""
    found: dict[tuple[str, str], str] = {}
    for step in steps:
        for event in step["events"] if step["source"] else ():
            fate = _FATES.get(step["what"], WAITING)
            key = step["source"], event
            # A message that is seen again has failed already; one that was given up stays so.
            if found.get(key) != GIVEN_UP and (fate != WAITING or key not in found):
                found[key] = fate
    return found


def of_event(steps: Steps, event: str) -> list[Mapping[str, Any]]:
    """The steps of one event, by its id or by the part of it that the sender knows: a key, a sequence number."""
    return [
        step
        for step in steps
        if any(event == one or one.startswith(f"{event}:") or one.endswith(f":{event}") for one in step["events"])
    ]


def event_flow(steps: Steps) -> Finding:
    """How many events came, in how many runs of a function, and what became of them."""
    known, runs = fates(steps), tries(steps)
    provenance = "what the platform noted of each event, here and now, by this machine's clock"
    if not known:
        return Finding("No event has come yet", (), (), provenance)
    counts = Counter(known.values())
    came = f"{len(known)} event{'s' if len(known) > 1 else ''}, {len(runs)} run{'s' if len(runs) != 1 else ''}"
    said = listed(f"{counts[fate]} {fate}" for fate in _order(counts))
    return Finding(f"{came} of the function: {said}", (), (), provenance)


def _order(counts: Iterable[str]) -> list[str]:
    return [fate for fate in (ANSWERED, FAILED, GIVEN_UP, UNWANTED, WAITING) if fate in counts]
