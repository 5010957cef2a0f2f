"""Provisioned concurrency: instances of a version or alias that are ready ahead of need."""

from __future__ import annotations

from collections import Counter
from typing import Any

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import LATEST, timestamp
from workbench.faas.functions.names import parse
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.paging import page
from workbench.faas.running.supervisor import Provisioned


class ProvisionedOperations:
    """Put, Get, List and DeleteProvisionedConcurrencyConfig."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "DeleteProvisionedConcurrencyConfig": self._delete,
            "GetProvisionedConcurrencyConfig": self._get,
            "ListProvisionedConcurrencyConfigs": self._list,
            "PutProvisionedConcurrencyConfig": self._put,
        }

    async def _put(self, given: Input) -> Output:
        context = self._context
        wanted = int(given["ProvisionedConcurrentExecutions"])
        async with context.changing:
            name, qualifier = self._target(
                given, "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
            self._check_shared(name, qualifier)
            self._check_snap_start(name, qualifier)
            self._check_limits(name, qualifier, wanted)
            record = {"requested": wanted, "last_modified": timestamp()}
            await context.provisioned.put(name, qualifier, record)
            apply_provisioned(context, name)
        return self._shown(name, qualifier, record)

    async def _get(self, given: Input) -> Output:
        name, qualifier = self._target(given)
        record = self._context.provisioned.get(name, qualifier)
        if record is None:
            raise AwsError(
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
                Type="User",
            )
        return self._shown(name, qualifier, record)

    async def _list(self, given: Input) -> Output:
        context = self._context
        function = context.unqualified(given["FunctionName"])
        listed, marker = page(context.provisioned.of(function.name), lambda entry: entry[0], given)
        configs = [
            {"FunctionArn": context.arn(function.name, qualifier), **self._shown(function.name, qualifier, record)}
            for qualifier, record in listed
        ]
        return {"ProvisionedConcurrencyConfigs": configs, "NextMarker": marker}

    async def _delete(self, given: Input) -> Output:
        async with self._context.changing:
            name, qualifier = self._target(given)
            await self._context.provisioned.remove(name, qualifier)
            apply_provisioned(self._context, name)
        return {}

    def _target(
        self,
        given: Input,
        refusal: str = "The function resource provided must be an alias or a published version.",
    ) -> tuple[str, str]:
        named = parse(given["FunctionName"], self._context.region, given["Qualifier"])
        if self._context.of(named).number == LATEST:  # by an alias, perhaps
            raise invalid(refusal)
        return named.name, str(named.qualifier)

    def _check_shared(self, name: str, qualifier: str) -> None:
        """A version's instances are one alias's or the version's own: who asks twice would not know which."""
        context = self._context
        targets = set(_shares(context, name, qualifier, 1))
        for other, _ in context.provisioned.of(name):
            if other == qualifier or not targets & set(_shares(context, name, other, 1)):
                continue
            raise AwsError(
                "ResourceConflictException",
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                if context.functions.alias(name, qualifier)
                else "Version is pointed by a Provisioned Concurrency alias",
                Type="User",
            )

    def _check_snap_start(self, name: str, qualifier: str) -> None:
        versions = [
            self._context.functions.version(name, number) for number in _shares(self._context, name, qualifier, 1)
        ]
        if any(version is not None and version.snap_start for version in versions):
            raise invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")

    def _check_limits(self, name: str, qualifier: str, wanted: int) -> None:
        context = self._context
        others = sum(record["requested"] for other, record in context.provisioned.of(name) if other != qualifier)
        reserved = context.functions.version(name, LATEST)
        if reserved is not None and reserved.reserved is not None:
            if others + wanted > reserved.reserved:
                raise invalid(
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                    "function"
                )
            return
        least = context.least_unreserved
        if context.account_concurrency - context.committed(but=name) - others - wanted < least:
            raise invalid(
                "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
                f"its minimum value of [{least}]."
            )

    def _shown(self, name: str, qualifier: str, record: dict[str, Any]) -> Output:
        shares = _shares(self._context, name, qualifier, record["requested"])
        parts = [self._context.supervisor.provisioned(f"{name}:{number}") for number, count in shares.items() if count]
        reason = "; ".join(part.reason for part in parts if part.reason)
        return {
            "RequestedProvisionedConcurrentExecutions": record["requested"],
            "AllocatedProvisionedConcurrentExecutions": sum(part.allocated for part in parts),
            "AvailableProvisionedConcurrentExecutions": sum(part.available for part in parts),
            "Status": _status(parts),
            "StatusReason": reason or None,
            "LastModified": record["last_modified"],
        }


def apply_provisioned(context: Context, name: str) -> None:
    """Have as many instances of each version ready as its own and its aliases' configurations say."""
    wanted: Counter[str] = Counter()
    for qualifier, record in context.provisioned.of(name):
        wanted.update(_shares(context, name, qualifier, record["requested"]))
    for version in context.functions.versions(name):
        if context.supervisor.provisioned(version.id).requested != wanted[version.number]:
            context.supervisor.provision(version.id, wanted[version.number])


def _shares(context: Context, name: str, qualifier: str, count: int) -> dict[str, int]:
    """How many of `count` go to which version: an alias with two divides them by their weights."""
    alias = context.functions.alias(name, qualifier)
    if alias is None:
        return {qualifier: count}
    shares = {version: round(count * weight) for version, weight in alias.weights.items()}
    return {alias.version: count - sum(shares.values()), **shares}


def _status(parts: list[Provisioned]) -> str:
    states = {part.status for part in parts}
    return next((state for state in ("FAILED", "IN_PROGRESS") if state in states), "READY")
