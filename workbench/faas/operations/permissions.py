"""Who else may invoke: the resource policies of functions, versions and aliases."""

from __future__ import annotations

import json
import uuid

from workbench.faas.aws_errors import AwsError, invalid
from workbench.faas.functions import policies
from workbench.faas.functions.attachments import Record
from workbench.faas.functions.function import LATEST
from workbench.faas.functions.names import Named, parse
from workbench.faas.operations.context import Context, Input, Output, Table


class PermissionOperations:
    """AddPermission, RemovePermission and GetPolicy."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._policies = context.attachments.policies
        self.table: Table = {
            "AddPermission": self._add,
            "GetPolicy": self._get,
            "RemovePermission": self._remove,
        }

    async def _add(self, given: Input) -> Output:
        async with self._context.changing:
            named = self._named(given)
            policy = self._policies.get(named.name, named.qualifier or "") or {"revision": "", "statements": []}
            _check_revision(given, policy)
            identity = given["StatementId"]
            if any(statement["Sid"] == identity for statement in policy["statements"]):
                raise AwsError(
                    "ResourceConflictException",
                    f"The statement id ({identity}) provided already exists. Please provide a new statement id, or "
                    "remove the existing statement.",
                    Type="User",
                )
            made = policies.statement(given, named.arn(self._context.region))
            await self._keep(named, [*policy["statements"], made])
        return {"Statement": json.dumps(made, separators=(",", ":"))}

    async def _remove(self, given: Input) -> Output:
        async with self._context.changing:
            named = self._named(given)
            policy = self._policies.get(named.name, named.qualifier or "")
            if policy is None:
                raise _no_policy()
            _check_revision(given, policy)
            left = [one for one in policy["statements"] if one["Sid"] != given["StatementId"]]
            if len(left) == len(policy["statements"]):
                raise AwsError(
                    "ResourceNotFoundException",
                    f"Statement {given['StatementId']} is not found in resource policy.",
                    Type="User",
                )
            if left:
                await self._keep(named, left)
            else:
                await self._policies.remove(named.name, named.qualifier or "")
        return {}

    async def _get(self, given: Input) -> Output:
        named = self._named(given)
        policy = self._policies.get(named.name, named.qualifier or "")
        if policy is None:
            raise _no_policy()
        return {"Policy": policies.document(policy["statements"]), "RevisionId": policy["revision"]}

    def _named(self, given: Input) -> Named:
        named = parse(given["FunctionName"], self._context.region, given.get("Qualifier"))
        self._context.of(named)
        if named.qualifier == LATEST:
            raise invalid("We currently do not support adding policies for $LATEST.")
        return named

    async def _keep(self, named: Named, statements: list[policies.Statement]) -> None:
        policies.document(statements)  # raises when it is too large
        record: Record = {"revision": str(uuid.uuid4()), "statements": statements}
        await self._policies.put(named.name, named.qualifier or "", record)


def _check_revision(given: Input, policy: Record) -> None:
    if given.get("RevisionId") not in (None, policy["revision"]):
        raise AwsError(
            "PreconditionFailedException",
            "The RevisionId provided does not match the latest RevisionId. Call the GetPolicy API to retrieve the "
            "latest RevisionId.",
            Type="User",
        )


def _no_policy() -> AwsError:
    return AwsError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
