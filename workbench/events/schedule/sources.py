"""Reads the schedules from the AWS endpoint, in full each time; Scheduler tells of one in detail only when asked."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from workbench.events.schedule.schedules import Schedule, from_rule, from_schedule

Call = Callable[..., Awaitable[dict[str, Any]]]
"""`AwsClients.call`."""


class Sources:
    """Both services; what cannot be read now is as it was read last."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._details: dict[tuple[str, str], Schedule] = {}
        self._last: dict[str, list[Schedule]] = {"events": [], "scheduler": []}
        self._complained: set[str] = set()

    async def read(self) -> list[Schedule]:
        """All of both services, enabled or not."""
        found: list[Schedule] = []
        for service, read in (("events", self._rules), ("scheduler", self._schedules)):
            try:
                self._last[service] = await read()
                self._complained.discard(service)
            except Exception as error:  # away for a while, or a service that this endpoint does not have
                if service not in self._complained:
                    self._complained.add(service)
                    print(f"the schedules of {service} cannot be read: {error}", file=sys.stderr, flush=True)
            found += self._last[service]
        return found

    async def delete(self, schedule: Schedule) -> None:
        """Delete a schedule of Scheduler that is over."""
        group, name = schedule.group_and_name
        await self._call("scheduler", "delete_schedule", GroupName=group, Name=name)

    async def _rules(self) -> list[Schedule]:
        found: list[Schedule] = []
        for rule in await self._all("events", "list_rules", "Rules"):
            if rule.get("ScheduleExpression"):
                targets = await self._all("events", "list_targets_by_rule", "Targets", Rule=rule["Name"])
                found += [from_rule(rule, target) for target in targets]
        return found

    async def _schedules(self) -> list[Schedule]:
        details: dict[tuple[str, str], Schedule] = {}
        for short in await self._all("scheduler", "list_schedules", "Schedules"):
            known = (short["Arn"], short["LastModificationDate"].isoformat())
            details[known] = self._details.get(known) or from_schedule(
                await self._call("scheduler", "get_schedule", GroupName=short["GroupName"], Name=short["Name"])
            )
        self._details = details
        return list(details.values())

    async def _all(self, service: str, operation: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = await self._call(service, operation, **parameters, **more)
            found += answer[member]
            if not answer.get("NextToken"):
                return found
            more = {"NextToken": answer["NextToken"]}
