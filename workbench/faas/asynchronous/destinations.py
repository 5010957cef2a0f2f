"""Who is told how an asynchronous invocation ended, and in which words.

Destinations get a record, dead-letter queues the event itself (AWS Lambda developer guide, "Capturing records of Lambda
asynchronous invocations": record version 1.0; DLQ attributes RequestID, ErrorCode and ErrorMessage, the latter cut at
1 KB). The condition ZeroReservedConcurrency is not in the guide; LocalStack's event manager has it from AWS.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from workbench.faas.asynchronous.event_store import StoredEvent, StoredMessage
from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import LATEST

SUCCESS = "Success"
RETRIES_EXHAUSTED = "RetriesExhausted"
EVENT_AGE_EXCEEDED = "EventAgeExceeded"
ZERO_RESERVED_CONCURRENCY = "ZeroReservedConcurrency"

SERVICES = ("lambda", "sqs", "sns", "events", "s3")
"""Of which services a destination may be; S3 on failure only."""

_MESSAGE_BYTES = 1024


@dataclass(frozen=True)
class Rules:
    """How a function wants its events treated; targets are ARNs, empty where there is none.

    `arn` is the function's own with the qualifier that was invoked; `closed`: its reserved concurrency is zero;
    `endless`: it may be part of a loop of functions.
    """

    arn: str = ""
    retries: int = 2
    max_age_s: float = 21600.0
    on_success: str = ""
    on_failure: str = ""
    dead_letter: str = ""
    closed: bool = False
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try of an event ended: the handler's answer, or what AWS answers in its place where `error` is given."""

    version: str
    payload: str
    error: str | None = None
    status: int = 200

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Attempt | None:
        """What `to_json` wrote; None of nothing."""
        return cls(**json.loads(text)) if text else None


def consequences(
    event: StoredEvent, rules: Rules, attempt: Attempt | None, condition: str, now_s: float
) -> list[StoredMessage]:
    """What has to be told to whom now that the event ended under `condition`."""
    return list(_consequences(event, rules, attempt, condition, now_s))


def _consequences(
    event: StoredEvent, rules: Rules, attempt: Attempt | None, condition: str, now_s: float
) -> Iterator[StoredMessage]:
    kind = "success" if condition == SUCCESS else "failure"
    target = rules.on_success if condition == SUCCESS else rules.on_failure
    message = StoredMessage("", event.function, "", kind, b"", "", now_s, now_s + rules.max_age_s)
    if target:
        body = _encoded(record(event, rules.arn, attempt, condition, now_s), event, attempt)
        yield replace(message, id=str(uuid.uuid4()), target=target, body=body)
    if rules.dead_letter and condition != SUCCESS:
        attributes = json.dumps(dead_letter_attributes(event, attempt, condition))
        yield replace(
            message,
            id=str(uuid.uuid4()),
            target=rules.dead_letter,
            kind="dead-letter",
            body=event.payload,
            attributes=attributes,
        )


def record(event: StoredEvent, arn: str, attempt: Attempt | None, condition: str, now_s: float) -> dict[str, object]:
    """The record of an invocation as destinations get it; without a response where the function never ran."""
    failures = event.attempts
    found: dict[str, object] = {
        "version": "1.0",
        "timestamp": timestamp(now_s),
        "requestContext": {
            "requestId": event.id,
            "functionArn": arn if arn.count(":") == 7 else f"{arn}:{LATEST}",
            "condition": condition,
            "approximateInvokeCount": failures + 1 if condition == SUCCESS else failures,
        },
        "requestPayload": as_json(event.payload.decode("utf-8", "replace")),
    }
    if attempt is not None:
        context: dict[str, object] = {"statusCode": attempt.status, "executedVersion": attempt.version}
        if attempt.error is not None:
            context["functionError"] = attempt.error
        found["responseContext"] = context
        found["responsePayload"] = as_json(attempt.payload)
    return found


def _encoded(found: dict[str, object], event: StoredEvent, attempt: Attempt | None) -> bytes:
    # In ASCII: half a surrogate pair, which a function may answer, is no UTF-8, and SQS takes not every character.
    try:
        return json.dumps(found).encode()
    except RecursionError:  # JSON too deep to be put a level deeper goes as text
        as_text = {"requestPayload": event.payload.decode("utf-8", "replace")}
        if attempt is not None:
            as_text["responsePayload"] = attempt.payload
        return json.dumps({**found, **as_text}).encode()


def dead_letter_attributes(event: StoredEvent, attempt: Attempt | None, condition: str) -> dict[str, str]:
    """The attributes of the message in a dead-letter queue."""
    answer = as_json(attempt.payload) if attempt is not None else None
    said = answer.get("errorMessage") if isinstance(answer, dict) else None
    status = attempt.status if attempt is not None else 429 if condition == ZERO_RESERVED_CONCURRENCY else 500
    message = str(said or (attempt.payload if attempt is not None else "") or condition)
    cut = message.encode()[:_MESSAGE_BYTES].decode("utf-8", "ignore")
    return {"RequestID": event.id, "ErrorCode": str(status), "ErrorMessage": cut}


def detail_type(kind: str) -> str:
    """EventBridge's name for a record."""
    return f"Lambda Function Invocation Result - {'Success' if kind == 'success' else 'Failure'}"


def s3_key(message: StoredMessage) -> str:
    """Where AWS puts the record of a failed invocation, or of a discarded batch of a stream, in a bucket."""
    made = datetime.fromtimestamp(message.made_s, UTC)
    kind = "" if message.kind == "batch" else "async/"
    return f"aws/lambda/{kind}{message.function}/{made:%Y/%m/%d}/{made:%Y-%m-%dT%H.%M.%S}-{message.id}"


def service_of(arn: str) -> str:
    """The service that an ARN is of."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 and parts[0] == "arn" else ""


def function_of(arn: str) -> tuple[str, str]:
    """Name and qualifier (empty: none) in the ARN of a function."""
    parts = arn.split(":")
    return parts[6], parts[7] if len(parts) > 7 else ""


def check_target(arn: str, *, what: str, allowed: tuple[str, ...], region: str, endpoint: str) -> None:
    """Raise AwsError when nothing could ever be delivered to `arn` from here."""
    service = service_of(arn)
    if service not in allowed or (service == "lambda" and not 7 <= arn.count(":") + 1 <= 8):
        raise invalid(
            f"The provided {what} {arn} is invalid: it takes the ARN of {', '.join(_NAMES[s] for s in allowed)}."
        )
    if arn.endswith(".fifo"):
        raise invalid(
            f"The provided {what} {arn} is invalid: FIFO queues and topics are not supported. Use a standard one."
        )
    if service != "s3" and arn.split(":")[3] != region:
        raise invalid(f"The provided {what} {arn} is in another region than the function ({region}).")
    if service != "lambda" and not endpoint:
        raise invalid(
            f"The {what} {arn} cannot be reached: this platform was started without AWS services beside it. Start it "
            "with --aws, or with --aws-endpoint URL where others answer; or name a function of this platform."
        )


def as_event(message: StoredMessage, hops: int) -> StoredEvent:
    """The message as an event for the function that is its target; raises AwsError when it is larger than 1 MB."""
    if len(message.body) > 2**20:
        raise AwsError("RequestTooLargeException", f"The record has {len(message.body)} bytes; a function takes 1 MB.")
    name, qualifier = function_of(message.target)
    return StoredEvent(message.id, name, message.body, "", message.made_s, message.made_s, 0, qualifier, hops)


def timestamp(now_s: float) -> str:
    """As in records: 2019-11-14T18:16:05.568Z."""
    return datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(now_s * 1000) % 1000:03d}Z"


def as_json(text: str) -> object:
    """JSON as its value, all else as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


_NAMES = {
    "lambda": "a Lambda function",
    "sqs": "an SQS queue",
    "sns": "an SNS topic",
    "events": "an EventBridge event bus",
    "s3": "an S3 bucket",
}
