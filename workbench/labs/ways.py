"""The ways to invoke, side by side: who waits, how often a failing handler runs, and where a failure ends up."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from zoneinfo import ZoneInfo

from workbench.errors import DeploymentError
from workbench.findings import flowing as found
from workbench.labs.panel import Panel, duration, table
from workbench.records import Measurement
from workbench.statistics import percentile

if TYPE_CHECKING:
    from workbench.deployments.serverless import ServerlessDeployment
    from workbench.deployments.standing import StandingPlatform

command = f"{shlex.quote(sys.executable)} -m workbench.cli"
"""The command `workbench`, as a shell finds it wherever the notebook runs."""

TIMES = ("once", "twice", "three times", "until it works")
SENDERS = ("direct", "direct, HTTP", "direct, HTTP, S3", "all of them")
AGAIN = ("none", "only the bad one", "all ten")
BEHIND = ("they overtake it", "they wait for it", "they are lost")
RUNS = ("1", "4", "25", "100")
HOURS = ("22", "23", "24", "25")

_WITHIN_S = 90.0
_PAUSE_S = 0.05

Lines = Sequence[Mapping[str, Any]]


def journal(desk: ServerlessDeployment) -> list[dict[str, Any]]:
    """What the sample `desk` printed in each of its runs (way, orders, began, ended), in the order of their ends."""
    lines: list[dict[str, Any]] = []
    for instance in desk.instances():
        lines += read_journal(desk.logs(instance.instance_id))
    return sorted(lines, key=lambda line: line["ended"])


def read_journal(log: str) -> list[dict[str, Any]]:
    """The lines of JSON in a log that the desk printed."""
    return [json.loads(line) for line in log.splitlines() if line.startswith('{"way":')]


def heard(desk: ServerlessDeployment) -> Callable[[], dict[str, tuple[float, float]]]:
    """When the desk began and ended with each order, as `experiments.arrival` asks for it."""
    return lambda: {order: (line["began"], line["ended"]) for line in journal(desk) for order in line["orders"]}


def runs_of(lines: Lines, order: str) -> int:
    """In how many runs of the handler an order was."""
    return sum(order in line["orders"] for line in lines)


def times(count: int) -> str:
    """A number of runs in a word of TIMES."""
    return TIMES[min(count, 4) - 1] if count else "never"


def again(runs: Sequence[found.Try]) -> str:
    """How many of the events of these runs were in more than one of them, in a word of AGAIN."""
    counts: dict[str, int] = {}
    for run in runs:
        for event in run.events:
            counts[event] = counts.get(event, 0) + 1
    more = sum(count > 1 for count in counts.values())
    return AGAIN[0] if not more else AGAIN[1] if more == 1 else AGAIN[2]


def behind(lines: Lines, bad: str, later: str) -> str:
    """What became of an order behind a bad one of the same stream, in a word of BEHIND."""
    last_of_bad = max((line["began"] for line in lines if bad in line["orders"]), default=0.0)
    first_of_later = min((line["began"] for line in lines if later in line["orders"]), default=None)
    if first_of_later is None:
        return BEHIND[2]
    return BEHIND[1] if first_of_later > last_of_bad else BEHIND[0]


def waiting(platform: StandingPlatform, queue_url: str) -> int:
    """How many messages lie in a queue."""
    name = "ApproximateNumberOfMessages"
    answer = platform.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[name])
    return int(answer["Attributes"][name])


def queue_arn(platform: StandingPlatform, queue_url: str) -> str:
    """A queue's ARN, which SQS tells as one of its attributes."""
    answer = platform.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def let_pass(platform: StandingPlatform, begins: str, ends: str, zone: str, in_s: float = 1.0) -> None:
    """Let the time between two midnights of a zone pass in about `in_s` seconds, by the schedules' clock.

    It returns when all that was due has run.
    """
    start, end = (datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in (begins, ends))
    wish = {"at": start.isoformat(), "until": end.isoformat(), "speed": (end - start).total_seconds() / in_s}
    platform.request("PUT", "/_workbench/clock", json.dumps(wish).encode())

    def fired() -> bool:
        clock = platform.request("GET", "/_workbench/clock")
        return bool(clock["paused"] and clock["fired_until"] == clock["at"])

    _until(fired)
    _until(lambda: platform.request("GET", "/_workbench/health")["queued_events"] == 0)


def _until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise DeploymentError(f"What was waited for has not happened within {_WITHIN_S:g} s. Run the cell again.")
        time.sleep(_PAUSE_S)


# ---- side by side ----------------------------------------------------------------------------------------------------

_CALLED = {"s3": "S3", "ses": "mail", "sqs": "SQS", "kinesis": "Kinesis", "dynamodb": "DynamoDB", "schedule": "clock"}


def failing(
    platform: StandingPlatform, desk: ServerlessDeployment, causes: Mapping[str, Callable[[str], Any]], aside: str
) -> dict[str, tuple[int, str]]:
    """Send an order that fails each way, all at once: how often the handler ran with it, and where the failure went.

    It is over when each has come back to its sender or has been put into the queue `aside` (its URL), which is emptied
    before and after.
    """
    take(platform, aside)
    back = {way: sender_is_told(cause, bad_order(way)) for way, cause in causes.items()}
    put_aside: set[str] = set()

    def over() -> bool:
        put_aside.update(map(way_of_failure, take(platform, aside)))
        return all(back[way] or way in put_aside for way in causes)

    _until(over)
    lines = journal(desk)
    return {way: (runs_of(lines, bad_order(way)), back[way] or "queue for failures") for way in causes}


def bad_order(way: str) -> str:
    """An order that the desk fails, named by the way it comes."""
    return f"bad-{way}"


def sender_is_told(cause: Callable[[str], Any], order: str) -> str:
    """What the sender gets to know of the failure; nothing where the sending alone succeeds."""
    try:
        answer = cause(order)
    except HTTPError as error:
        with error:
            return f"its sender (HTTP {error.code})"
    return "its sender (FunctionError)" if isinstance(answer, dict) and "FunctionError" in answer else ""


def take(platform: StandingPlatform, queue_url: str) -> list[str]:
    """The bodies of all messages in a queue, which are deleted."""
    sqs, bodies = platform.client("sqs"), []
    while found_now := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in found_now:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def way_of_failure(body: str) -> str:
    """Which way an event had come that failed, by what was put into the queue for failures."""
    try:
        told = json.loads(body)
    except ValueError:
        return "SQS"  # the message itself, as it was sent
    if "KinesisBatchInfo" in told:
        return "Kinesis"
    if "DDBStreamBatchInfo" in told:
        return "DynamoDB"
    records = told.get("requestPayload", {}).get("Records") or [{"eventSource": "schedule"}]
    return _CALLED[records[0]["eventSource"].removeprefix("aws:")]


def largest(lines: Lines) -> dict[str, int]:
    """The most orders in one run of the desk, by the way they came."""
    most: dict[str, int] = {}
    for line in lines:
        way = _CALLED.get(line["way"], "HTTP" if line["way"] == "http" else line["way"])
        most[way] = max(most.get(way, 0), len(line["orders"]))
    return most


def senders_who_wait(measured: Sequence[Measurement]) -> str | None:
    """Whose sender goes on only when the handler has ended, in a word of SENDERS; None for any other set."""
    waits = {m.deployment for m in measured if m.samples and all(m.detail["waited"])}
    known = {SENDERS[0]: {"direct"}, SENDERS[1]: {"direct", "HTTP"}, SENDERS[2]: {"direct", "HTTP", "S3"}}
    if waits == {m.deployment for m in measured}:
        return SENDERS[3]
    return next((word for word, ways in known.items() if ways == waits), None)


def side_by_side(
    measured: Sequence[Measurement], failed: Mapping[str, tuple[int, str]], most: Mapping[str, int]
) -> Panel:
    """The ways as rows: what was measured by `experiments.arrival`, by `failing`, and of the desk's `largest` runs."""
    rows = []
    for m in measured:
        runs, where = failed.get(m.deployment, (0, "not tried"))
        waits = "yes" if m.detail["waited"] and all(m.detail["waited"]) else "no"
        median = duration(percentile(m.samples, 50)) if m.samples else "-"
        rows.append([m.deployment, waits, str(most.get(m.deployment, 1)), str(runs), where, median])
    columns = ["way", "sender waits", "most in a run", "runs of a bad one", "its failure went to", "to the handler"]
    html, text = table(columns, rows)
    return Panel("Side by side, as measured here (last column: medians)", html, text)
