"""What every family of operations works on: the functions, where they are kept and where they run."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from workbench.errors import PackageError
from workbench.faas.aws_errors import AwsError, invalid, not_found
from workbench.faas.event_queue import EventQueue
from workbench.faas.functions import Function, Functions
from workbench.faas.names import function_name
from workbench.faas.storage import Storage
from workbench.faas.supervisor import Supervisor

Input = dict[str, Any]
Output = dict[str, Any]
Table = dict[str, Callable[[Input], Awaitable[Output]]]


class Family(Protocol):
    """Operations on one concept; `table` has them by their names in the model."""

    @property
    def table(self) -> Table: ...


@dataclass
class Context:
    """Shared by all families; `changing` is held for a change, so that what is stored is what is in force."""

    region: str
    supervisor: Supervisor
    storage: Storage
    events: EventQueue
    account_concurrency: int
    secret: bytes
    endpoint: str = ""  # known when the server listens
    functions: Functions = field(default_factory=Functions)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def find(self, given: str, qualifier: str | None = None) -> Function:
        """The function that a request names; raises AwsError when there is none."""
        name = function_name(given, self.region, qualifier)
        function = self.functions.get(name)
        if function is None:
            raise not_found(f"arn:aws:lambda:{self.region}:000000000000:function:{name}")
        return function

    def to_change(self, given: Input) -> Function:
        """The function of a request that changes it; raises AwsError when its RevisionId is not the latest."""
        function = self.find(given["FunctionName"])
        if given.get("RevisionId") not in (None, function.revision):
            raise AwsError(
                "PreconditionFailedException",
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
                Type="User",
            )
        return function

    async def save(self, function: Function) -> None:
        """Keep a function's new state and put it in force."""
        await self.storage.save_function(function.name, function.to_json())
        self.install(function)

    def install(self, function: Function) -> None:
        """Put a function in force that is already kept."""
        self.functions.put(function)
        self.supervisor.put(function)

    async def store_code(self, archive: bytes, digest: str) -> None:
        """Keep and unpack a ZIP; raises AwsError when it is refused."""
        try:
            await asyncio.to_thread(self.storage.add_code, archive, digest)
        except PackageError as error:
            raise invalid(
                f"Could not unzip uploaded file. Please check your file, then try to upload again. {error}"
            ) from error

    async def drop_unused_code(self) -> None:
        """Remove code that no function has and no instance runs."""
        used = self.supervisor.used_code()
        await asyncio.to_thread(self.storage.keep_code, used)

    def code_token(self, sha256: str) -> str:
        """What entitles to download this code: part of the link that GetFunction gives."""
        return hmac.new(self.secret, sha256.encode(), hashlib.sha256).hexdigest()
