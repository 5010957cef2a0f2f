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
        stored = {f.code_sha256: f.code_size for f in context.functions.everything()}
        stored |= {layer.code_sha256: layer.code_size for layer in context.layers}
        return {
            "AccountLimit": {
                "TotalCodeSize": MAX_STORED,
                "CodeSizeUnzipped": MAX_UNPACKED,
                "CodeSizeZipped": MAX_ZIP,
                "ConcurrentExecutions": context.account_concurrency,
                "UnreservedConcurrentExecutions": context.account_concurrency - context.functions.reserved(),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(stored.values()),
                "FunctionCount": len(context.functions),
            },
        }
