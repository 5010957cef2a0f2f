"""What the account may use, and what it uses."""

from __future__ import annotations

from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.quotas import MAX_STORED, MAX_UNPACKED, MAX_ZIP


class AccountOperations:
    """GetAccountSettings."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.table: Table = {"GetAccountSettings": self._settings}

    async def _settings(self, given: Input) -> Output:
        context = self._context
        functions = list(context.functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_STORED,
                "CodeSizeUnzipped": MAX_UNPACKED,
                "CodeSizeZipped": MAX_ZIP,
                "ConcurrentExecutions": context.account_concurrency,
                "UnreservedConcurrentExecutions": context.account_concurrency - context.functions.reserved(),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(function.code_size for function in functions),
                "FunctionCount": len(functions),
            },
        }
