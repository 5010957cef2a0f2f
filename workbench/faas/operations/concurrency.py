"""Reserved concurrency: what a function may have at most, and others may not take from it."""

from __future__ import annotations

from dataclasses import replace

from workbench.faas.aws_errors import invalid
from workbench.faas.operations.context import Context, Input, Output, Table


class ConcurrencyOperations:
    """Put, Get and DeleteFunctionConcurrency."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {
            "DeleteFunctionConcurrency": self._delete,
            "GetFunctionConcurrency": self._get,
            "PutFunctionConcurrency": self._put,
        }

    async def _put(self, given: Input) -> Output:
        context = self._context
        wanted = int(given["ReservedConcurrentExecutions"])
        async with context.changing:
            function = context.unqualified(given["FunctionName"])
            least = context.least_unreserved
            if context.account_concurrency - context.committed(but=function.name) - wanted < least:
                raise invalid(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{least}]."
                )
            if wanted < sum(record["requested"] for _, record in context.provisioned.of(function.name)):
                raise invalid(
                    "ReservedConcurrentExecutions of function should not be lower than function's total "
                    "provisioned concurrency."
                )
            await context.save(replace(function, reserved=wanted))
        return {"ReservedConcurrentExecutions": wanted}

    async def _get(self, given: Input) -> Output:
        return {"ReservedConcurrentExecutions": self._context.unqualified(given["FunctionName"]).reserved}

    async def _delete(self, given: Input) -> Output:
        async with self._context.changing:
            await self._context.save(replace(self._context.unqualified(given["FunctionName"]), reserved=None))
        return {}
