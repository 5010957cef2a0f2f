"""What a firing sends: the event, the target's constant input, and the call that it makes. Pure."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench.errors import WorkbenchError
from workbench.events.schedule.schedules import Schedule

_UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"


class NotSent(WorkbenchError):
    """A firing that can go nowhere, whenever it is tried."""


@dataclass(frozen=True, slots=True)
class Order:
    """One firing for one target, as it is kept until it is delivered."""

    id: str  # the event's; the same for all targets of a rule
    source: str  # ARN of the rule or schedule
    target: str
    body: str
    scheduled: str
    made_s: float
    group: str = ""
    retries: int = 185
    max_age_s: int = 86400
    dead_letter: str = ""
    attempts: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """An operation of a service, in botocore's names. Lambda's `invoke` is an invocation by this platform."""

    service: str
    operation: str
    parameters: dict[str, Any]


def order(schedule: Schedule, scheduled: datetime, identity: str, made_s: float) -> Order:
    """What a schedule sends at one of its times."""
    target = schedule.target
    time = scheduled.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    problem, body = target.problem, target.input
    if body is None:
        try:
            body = json.dumps(_picked(scheduled_event(schedule, time, identity), target.input_path))
        except NotSent as error:
            problem, body = str(error), "{}"
    return Order(
        identity,
        schedule.arn,
        target.arn,
        body,
        time,
        made_s,
        target.group,
        target.retries,
        target.max_age_s,
        target.dead_letter,
        problem=problem,
    )


def scheduled_event(schedule: Schedule, time: str, identity: str) -> dict[str, Any]:
    """The event that a target without an input of its own gets (EventBridge event reference, "Scheduled Event").

    Scheduler's `detail` is a text, `{}` (as aws-lambda-powertools notes at its EventBridgeModel).
    """
    _, _, _, region, account, _ = schedule.arn.split(":", 5)
    return {
        "version": "0",
        "id": identity,
        "detail-type": "Scheduled Event",
        "source": "aws.events" if schedule.is_rule else "aws.scheduler",
        "account": account,
        "time": time,
        "region": region,
        "resources": [schedule.arn],
        "detail": {} if schedule.is_rule else "{}",
    }


def call_of(wanted: Order, execution: str = "") -> Call:
    """The call that delivers an order; raises NotSent when there is none."""
    if wanted.problem:
        raise NotSent(wanted.problem)
    body = _filled(wanted, execution or uuid.uuid4().hex[:16])
    if wanted.target.startswith(_UNIVERSAL):
        return _universal(wanted.target, body)
    match wanted.target.split(":")[2:3]:
        case ["lambda"]:
            parameters = {"FunctionName": wanted.target, "InvocationType": "Event", "Payload": body}
            return Call("lambda", "invoke", parameters)
        case ["sqs"]:
            parameters = {"QueueUrl": wanted.target, "MessageBody": body}
            if wanted.group:
                parameters["MessageGroupId"] = wanted.group
            return Call("sqs", "send_message", parameters)
        case ["sns"]:
            return Call("sns", "publish", {"TopicArn": wanted.target, "Message": body})
    raise NotSent(f"Schedules here reach functions, queues and topics; {wanted.target} is none of these.")


def _universal(target: str, body: str) -> Call:
    """A universal target: `arn:aws:scheduler:::aws-sdk:SERVICE:ACTION`, and its parameters as input."""
    service, _, action = target.removeprefix(_UNIVERSAL).partition(":")
    try:
        parameters = json.loads(body)
    except ValueError as error:
        raise NotSent(f"The input of {target} is not JSON: {error}") from None
    if not isinstance(parameters, dict) or (service == "lambda" and "FunctionName" not in parameters):
        raise NotSent(f"The input of {target} is an object with the parameters of that operation.")
    return Call(service, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower(), parameters)


def _filled(wanted: Order, execution: str) -> str:
    """The body with Scheduler's context attributes (user guide, "Adding context attributes")."""
    if ":scheduler:" not in wanted.source:
        return wanted.body
    values = {
        "schedule-arn": wanted.source,
        "scheduled-time": wanted.scheduled,
        "execution-id": execution,
        "attempt-number": str(wanted.attempts + 1),
    }
    return re.sub(r"<aws\.scheduler\.([a-z-]+)>", lambda found: values.get(found[1], found[0]), wanted.body)


def _picked(event: dict[str, Any], path: str) -> Any:
    """The part of an event that InputPath names: `$`, or `$.` and names with dots between."""
    picked: Any = event
    for name in path.split(".")[1:]:
        if not isinstance(picked, dict) or name not in picked:
            raise NotSent(f"InputPath {path} names nothing in a scheduled event; $.time or $.detail would.")
        picked = picked[name]
    return picked
