"""The operations of the Lambda API, in families by concept; only Invoke is elsewhere, for its speed.

A family is a class made with the one Context; add it to `FAMILIES` and its operations answer.
"""

from __future__ import annotations

from collections.abc import Callable

from workbench.faas.asynchronous.aws_client import AwsClients
from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.functions.function import Function
from workbench.faas.functions.registry import Functions
from workbench.faas.functions.storage import Storage
from workbench.faas.operations.account import AccountOperations
from workbench.faas.operations.aliases import AliasOperations
from workbench.faas.operations.concurrency import ConcurrencyOperations
from workbench.faas.operations.context import Context, Family, Resolved, Table
from workbench.faas.operations.event_config import EventConfigOperations
from workbench.faas.operations.function_urls import FunctionUrlOperations
from workbench.faas.operations.functions import FunctionOperations
from workbench.faas.operations.layers import LayerOperations
from workbench.faas.operations.management import ManagementOperations
from workbench.faas.operations.permissions import PermissionOperations
from workbench.faas.operations.provisioned import ProvisionedOperations
from workbench.faas.operations.resuming import resume
from workbench.faas.operations.tags import TagOperations
from workbench.faas.operations.versions import VersionOperations
from workbench.faas.quotas import MAX_ZIP
from workbench.faas.running.supervisor import Supervisor

__all__ = ["FAMILIES", "MAX_ZIP", "Context", "Operations", "Resolved"]

FAMILIES: tuple[Callable[[Context], Family], ...] = (
    AccountOperations,
    AliasOperations,
    ConcurrencyOperations,
    EventConfigOperations,
    FunctionOperations,
    FunctionUrlOperations,
    LayerOperations,
    ManagementOperations,
    PermissionOperations,
    ProvisionedOperations,
    TagOperations,
    VersionOperations,
)


class Operations:
    """What each supported operation does; `table` has them by their names in the model."""

    def __init__(
        self,
        region: str,
        supervisor: Supervisor,
        storage: Storage,
        events: EventQueue,
        aws: AwsClients,
        account_concurrency: int,
        secret: str,
    ) -> None:
        self.context = Context(region, supervisor, storage, events, aws, account_concurrency, secret.encode())
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
        resume(self.context)

    def find(self, given: str, qualifier: str | None = None) -> Function:
        """The function version that a request names, an alias's own one; raises AwsError when there is none."""
        return self.context.find(given, qualifier)

    def resolve(self, given: str, qualifier: str | None = None) -> Resolved:
        """Where an invocation goes: an alias chooses by its weights. Raises AwsError when nothing can be invoked."""
        return self.context.resolve(given, qualifier)

    def code_token(self, sha256: str) -> str:
        """What entitles to download this code: part of the link that GetFunction gives."""
        return self.context.code_token(sha256)
