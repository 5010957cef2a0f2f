"""The operations of the Lambda API, in families by concept; only Invoke is elsewhere, for its speed.

A family is a class made with the one Context; add it to `FAMILIES` and its operations answer.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.faas.event_queue import EventQueue
from workbench.faas.functions import Function, Functions
from workbench.faas.operations.account import AccountOperations
from workbench.faas.operations.concurrency import ConcurrencyOperations
from workbench.faas.operations.context import Context, Family, Table
from workbench.faas.operations.functions import FunctionOperations
from workbench.faas.quotas import MAX_ZIP
from workbench.faas.storage import Storage
from workbench.faas.supervisor import Supervisor

__all__ = ["FAMILIES", "MAX_ZIP", "Context", "Operations"]

FAMILIES: tuple[Callable[[Context], Family], ...] = (AccountOperations, ConcurrencyOperations, FunctionOperations)


class Operations:
    """What each supported operation does; `table` has them by their names in the model."""

    def __init__(
        self,
        region: str,
        supervisor: Supervisor,
        storage: Storage,
        events: EventQueue,
        account_concurrency: int,
        secret: str,
    ) -> None:
        self.context = Context(region, supervisor, storage, events, account_concurrency, secret.encode())
        self.table: Table = {}
        for family in FAMILIES:
            self.table.update(family(self.context).table)

    @property
    def functions(self) -> Functions:
        """All functions."""
        return self.context.functions

    def listens_at(self, endpoint: str) -> None:
        """Tell where the platform is reached, for the links it gives."""
        self.context.endpoint = endpoint

    def resume(self) -> None:
        """Take up the functions of an earlier platform."""
        for text in self.context.storage.functions():
            function = Function.from_json(text)
            if self.context.storage.code(function.code_sha256).is_dir():
                self.context.install(function)

    def find(self, given: str, qualifier: str | None = None) -> Function:
        """The function that a request names; raises AwsError when there is none."""
        return self.context.find(given, qualifier)

    def code_token(self, sha256: str) -> str:
        """What entitles to download this code: part of the link that GetFunction gives."""
        return self.context.code_token(sha256)
