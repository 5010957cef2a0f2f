"""Schedules as AWS's two services have them: EventBridge's rules with a schedule, and EventBridge Scheduler's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """Where a firing goes; limits as AWS has them by default (RetryPolicy: 185 tries again, 24 hours)."""

    arn: str
    input: str | None = None
    input_path: str = ""
    group: str = ""  # SqsParameters.MessageGroupId
    retries: int = 185
    max_age_s: int = 86400
    dead_letter: str = ""
    problem: str = ""  # why nothing can be sent to it


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule and one target of it. `created_s` and `changed_s` are seconds since the epoch, if AWS tells them."""

    key: str  # its ARN, of a rule with the target's id
    arn: str
    expression: str
    target: Target
    version: str  # another one after every change
    enabled: bool = True
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    window: timedelta = timedelta(0)
    created_s: float | None = None
    changed_s: float | None = None
    delete_when_over: bool = False

    @property
    def is_rule(self) -> bool:
        """Whether it is EventBridge's, not Scheduler's."""
        return self.arn.split(":")[2] == "events"

    @property
    def group_and_name(self) -> tuple[str, str]:
        """Of a schedule of Scheduler: `arn:...:schedule/GROUP/NAME`."""
        _, group, name = self.arn.split("/")
        return group, name


def from_rule(rule: Mapping[str, Any], target: Mapping[str, Any]) -> Schedule:
    """From the answers of ListRules and ListTargetsByRule."""
    problem = ""
    if "InputTransformer" in target:
        problem = "A target with InputTransformer is not supported here; give Input or InputPath."
    return Schedule(
        key=f"{rule['Arn']}#{target['Id']}",
        arn=rule["Arn"],
        expression=rule["ScheduleExpression"],
        target=_target(target, target.get("Input"), problem),
        version=json.dumps([rule["ScheduleExpression"], target], sort_keys=True),
        enabled=rule.get("State") != "DISABLED",
    )


def from_schedule(found: Mapping[str, Any]) -> Schedule:
    """From the answer of GetSchedule."""
    flexible = found.get("FlexibleTimeWindow") or {}
    target = found["Target"]
    return Schedule(
        key=found["Arn"],
        arn=found["Arn"],
        expression=found["ScheduleExpression"],
        target=_target(target, target.get("Input"), ""),
        version=found["LastModificationDate"].isoformat(),
        enabled=found.get("State") != "DISABLED",
        zone=found.get("ScheduleExpressionTimezone") or "UTC",
        start=_utc(found.get("StartDate")),
        end=_utc(found.get("EndDate")),
        window=timedelta(minutes=flexible.get("MaximumWindowInMinutes") or 0 if flexible.get("Mode") != "OFF" else 0),
        created_s=found["CreationDate"].timestamp(),
        changed_s=found["LastModificationDate"].timestamp(),
        delete_when_over=found.get("ActionAfterCompletion") == "DELETE",
    )


def _target(target: Mapping[str, Any], given: str | None, problem: str) -> Target:
    retry = target.get("RetryPolicy") or {}
    return Target(
        arn=target["Arn"],
        input=given,
        input_path=target.get("InputPath") or "",
        group=(target.get("SqsParameters") or {}).get("MessageGroupId") or "",
        retries=retry.get("MaximumRetryAttempts", 185),
        max_age_s=retry.get("MaximumEventAgeInSeconds", 86400),
        dead_letter=(target.get("DeadLetterConfig") or {}).get("Arn") or "",
        problem=problem,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
