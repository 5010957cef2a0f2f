"""What a function has of AWS's management that one machine cannot do otherwise: kept, shown, and without effect."""

from __future__ import annotations

from dataclasses import replace

from workbench.faas.aws_errors import invalid
from workbench.faas.functions.function import LATEST
from workbench.faas.functions.names import Named, parse
from workbench.faas.operations.context import Context, Input, Output, Table


class ManagementOperations:
    """Runtime management, recursion and code signing: the runtime is this machine's, and nothing is signed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "GetFunctionCodeSigningConfig": self._code_signing,
            "GetFunctionRecursionConfig": self._get_recursion,
            "GetRuntimeManagementConfig": self._get_runtime,
            "PutFunctionRecursionConfig": self._put_recursion,
            "PutRuntimeManagementConfig": self._put_runtime,
        }

    async def _get_runtime(self, given: Input) -> Output:
        named = self._version(given)
        function = self._context.of(named)
        pinned = function.runtime_version_arn if function.update_runtime_on == "Manual" else None
        return {
            "UpdateRuntimeOn": function.update_runtime_on,
            "FunctionArn": named.arn(self._context.region),
            "RuntimeVersionArn": pinned,
        }

    async def _put_runtime(self, given: Input) -> Output:
        named = self._version(given)
        mode, arn = given["UpdateRuntimeOn"], given.get("RuntimeVersionArn")
        async with self._context.changing:
            function = self._context.of(named)
            if mode == "Manual" and arn != function.runtime_version_arn:
                raise invalid(
                    "The only runtime version here is "
                    f"{function.runtime_version_arn}; give it as RuntimeVersionArn with UpdateRuntimeOn=Manual."
                )
            if mode != "Manual" and arn is not None:
                raise invalid("RuntimeVersionArn is given only with UpdateRuntimeOn=Manual; leave it out.")
            await self._context.save(replace(function, update_runtime_on=mode))
        return {"UpdateRuntimeOn": mode, "FunctionArn": named.arn(self._context.region), "RuntimeVersionArn": arn}

    def _version(self, given: Input) -> Named:
        named = parse(given["FunctionName"], self._context.region, given.get("Qualifier"))
        return Named(named.name, named.qualifier or LATEST)

    async def _get_recursion(self, given: Input) -> Output:
        return {"RecursiveLoop": self._context.unqualified(given["FunctionName"]).recursive_loop}

    async def _put_recursion(self, given: Input) -> Output:
        async with self._context.changing:
            function = self._context.unqualified(given["FunctionName"])
            await self._context.save(replace(function, recursive_loop=given["RecursiveLoop"]))
        return {"RecursiveLoop": given["RecursiveLoop"]}

    async def _code_signing(self, given: Input) -> Output:
        return {"FunctionName": self._context.unqualified(given["FunctionName"]).name}
