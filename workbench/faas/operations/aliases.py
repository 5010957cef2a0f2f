"""Aliases: names for versions, which can share their invocations between two."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions.function import LATEST
from workbench.faas.functions.names import Named
from workbench.faas.functions.registry import Alias
from workbench.faas.operations.context import Context, Input, Output, Table, check_revision
from workbench.faas.operations.paging import page
from workbench.faas.operations.provisioned import apply_provisioned


class AliasOperations:
    """Create, Delete, Get, List and Update."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "CreateAlias": self._create,
            "DeleteAlias": self._delete,
            "GetAlias": self._get,
            "ListAliases": self._list,
            "UpdateAlias": self._update,
        }

    async def _create(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            function = context.unqualified(given["FunctionName"])
            if context.functions.alias(function.name, given["Name"]) is not None:
                arn = context.arn(function.name, given["Name"])
                raise AwsError("ResourceConflictException", f"Alias already exists: {arn}", Type="User")
            weights = _weights(given) or {}
            alias = Alias(function.name, given["Name"], given["FunctionVersion"], given.get("Description", ""), weights)
            self._check(alias)
            await self._save(alias)
        return alias.configuration(context.region)

    async def _update(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            before = self._alias(given)
            check_revision(given.get("RevisionId"), before.revision)
            weights = _weights(given)
            alias = replace(
                before,
                version=given.get("FunctionVersion", before.version),
                description=given.get("Description", before.description),
                weights=before.weights if weights is None else weights,
                revision=str(uuid.uuid4()),
            )
            self._check(alias)
            if alias.version == LATEST and context.provisioned.get(alias.function, alias.name):
                raise invalid(
                    "An alias with provisioned concurrency cannot point to $LATEST; delete its configuration first."
                )
            await self._save(alias)
            apply_provisioned(context, alias.function)
        return alias.configuration(context.region)

    async def _delete(self, given: Input) -> Output:
        context = self._context
        async with context.changing:
            function = context.unqualified(given["FunctionName"])
            if context.functions.alias(function.name, given["Name"]) is None:
                return {}  # as on AWS: deleting what is not there is no error
            await context.forget(function.name, given["Name"])
            await context.storage.detach("alias", function.name, given["Name"])
            context.functions.remove_alias(function.name, given["Name"])
            apply_provisioned(context, function.name)
        return {}

    async def _get(self, given: Input) -> Output:
        return self._alias(given).configuration(self._context.region)

    async def _list(self, given: Input) -> Output:
        function = self._context.unqualified(given["FunctionName"])
        wanted = given.get("FunctionVersion")
        aliases = [
            alias for alias in self._context.functions.aliases(function.name) if wanted in (None, *alias.versions())
        ]
        listed, marker = page(aliases, lambda alias: alias.name, given)
        return {"Aliases": [alias.configuration(self._context.region) for alias in listed], "NextMarker": marker}

    def _alias(self, given: Input) -> Alias:
        function = self._context.unqualified(given["FunctionName"])
        alias = self._context.functions.alias(function.name, given["Name"])
        if alias is None:
            arn = self._context.arn(function.name, given["Name"])
            raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {arn}", Type="User")
        return alias

    def _check(self, alias: Alias) -> None:
        if len(alias.weights) > 1:
            raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
        if alias.weights and alias.version == LATEST:
            raise invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if alias.version in alias.weights:
            raise invalid(
                f"Invalid function version {alias.version}. Function version {alias.version} is already included in "
                "routing configuration."
            )
        for version in alias.versions():
            self._context.of(Named(alias.function, version))

    async def _save(self, alias: Alias) -> None:
        await self._context.storage.attach("alias", alias.function, alias.name, alias.to_json())
        self._context.functions.put_alias(alias)


def _weights(given: Input) -> Mapping[str, float] | None:
    """The weights asked for; None when the request says nothing of them."""
    if "RoutingConfig" not in given:
        return None
    return dict(given["RoutingConfig"].get("AdditionalVersionWeights", {}))
