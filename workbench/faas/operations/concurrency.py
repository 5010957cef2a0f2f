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
            function = context.find(given["FunctionName"])
            # AWS keeps 100 of 1,000 unreserved; of a smaller account the same share.
            least = min(100, context.account_concurrency // 10)
            if context.account_concurrency - context.functions.reserved(but=function.name) - wanted < least:
                raise invalid(
                    "Specified ReservedConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{least}]."
                )
            await context.save(replace(function, reserved=wanted))
        return {"ReservedConcurrentExecutions": wanted}

    async def _get(self, given: Input) -> Output:
        return {"ReservedConcurrentExecutions": self._context.find(given["FunctionName"]).reserved}

    async def _delete(self, given: Input) -> Output:
        async with self._context.changing:
            await self._context.save(replace(self._context.find(given["FunctionName"]), reserved=None))
        return {}
