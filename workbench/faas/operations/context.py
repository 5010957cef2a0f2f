"""What every family of operations works on: the functions, where they are kept and where they run."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from workbench.errors import PackageError
from workbench.faas.asynchronous.aws_client import AwsClients
from workbench.faas.asynchronous.event_queue import EventQueue
from workbench.faas.aws_errors import AwsError, invalid, not_found
from workbench.faas.functions.attachments import Attached, Attachments
from workbench.faas.functions.function import LATEST, Function
from workbench.faas.functions.layers import Layers
from workbench.faas.functions.names import Named, function_arn, parse, parse_unqualified
from workbench.faas.functions.registry import Functions
from workbench.faas.functions.storage import Storage, attach
from workbench.faas.running.supervisor import Supervisor

Input = dict[str, Any]
Output = dict[str, Any]
Table = dict[str, Callable[[Input], Awaitable[Output]]]


class Family(Protocol):
    """Operations on one concept; `table` has them by their names in the model."""

    @property
    def table(self) -> Table: ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """The function version that an invocation goes to, and the ARN that it was called by."""

    function: Function
    invoked_arn: str


@dataclass
class Context:
    """Shared by all families; `changing` is held for a change, so that what is stored is what is in force."""

    region: str
    supervisor: Supervisor
    storage: Storage
    events: EventQueue
    aws: AwsClients
    account_concurrency: int
    secret: bytes
    endpoint: str = ""  # known when the server listens
    open_url: Callable[[str, str], Awaitable[int]] | None = None  # listens for a function URL; says at which port
    functions: Functions = field(default_factory=Functions)
    layers: Layers = field(default_factory=Layers)
    numbers: dict[str, int] = field(default_factory=dict)  # the last given to a version of a function or layer
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.attachments = Attachments(self.storage)
        self.provisioned = Attached(self.storage, "provisioned")
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- find --------------------------------------------------------------------------------------------------------

    def find(self, given: str, qualifier: str | None = None) -> Function:
        """The function version that a request names, an alias's own one; raises AwsError when there is none."""
        return self.of(parse(given, self.region, qualifier))

    def of(self, named: Named) -> Function:
        """The function version of a name and qualifier; raises AwsError when there is none."""
        number = named.qualifier or LATEST
        alias = self.functions.alias(named.name, number)
        function = self.functions.version(named.name, alias.version if alias else number)
        if function is None:
            raise not_found(named.arn(self.region))
        return function

    def resolve(self, given: str, qualifier: str | None = None) -> Resolved:
        """Where an invocation goes: an alias chooses by its weights. Raises AwsError when nothing can be invoked."""
        named = parse(given, self.region, qualifier)
        function = self.of(named)
        alias = self.functions.alias(named.name, named.qualifier or "")
        if alias is not None and alias.weights:
            function = self.functions.version(named.name, alias.choose(random.random())) or function
        if function.state != "Active":
            raise AwsError(
                "ResourceConflictException",
                "The operation cannot be performed at this time. The function is currently in the following state: "
                + function.state
                + (f". {function.state_reason}" if function.state_reason else ""),
                Type="User",
            )
        return Resolved(function, named.arn(self.region))

    def unqualified(self, given: str) -> Function:
        """The function of a request about it as a whole; raises AwsError when a version or alias is named."""
        name = parse_unqualified(given, self.region)
        return self.of(Named(name))

    def to_change(self, given: Input) -> Function:
        """The function of a request that changes it; raises AwsError when its RevisionId is not the latest."""
        named = parse(given["FunctionName"], self.region)
        function = self.of(named) if named.qualifier == LATEST else self.unqualified(given["FunctionName"])
        check_revision(given.get("RevisionId"), function.revision)
        return function

    # ---- concurrency -------------------------------------------------------------------------------------------------

    @property
    def least_unreserved(self) -> int:
        """What must stay unreserved: AWS keeps 100 of 1,000; of a smaller account the same share."""
        return min(100, self.account_concurrency // 10)

    def committed(self, *, but: str = "") -> int:
        """The concurrency that all functions, one left out, have reserved, or provisioned without reserving."""
        total = 0
        for function in self.functions:
            if function.name == but:
                continue
            provisioned = sum(record["requested"] for _, record in self.provisioned.of(function.name))
            total += provisioned if function.reserved is None else function.reserved
        return total

    # ---- change ------------------------------------------------------------------------------------------------------

    async def save(self, function: Function) -> None:
        """Keep a function's or version's new state and put it in force."""
        if function.number == LATEST:
            await self.storage.save_function(function.name, function.to_json())
        else:
            await self.storage.write([attach("version", function.name, function.number, function.to_json())])
        self.install(function)

    def install(self, function: Function) -> None:
        """Put a function or version in force that is already kept."""
        self.functions.put(function)
        self.supervisor.put(function)

    async def forget(self, name: str, qualifier: str) -> None:
        """Drop all that belongs to a version or alias that is deleted."""
        await self.attachments.drop(name, qualifier)
        await self.provisioned.drop(name, qualifier)

    def next_number(self, of: str) -> int:
        """The number of the next version of a function or layer; `given` tells that it was taken."""
        return self.numbers.get(of, 0) + 1

    # ---- code --------------------------------------------------------------------------------------------------------

    async def store_code(self, archive: bytes, digest: str) -> None:
        """Keep and unpack a ZIP; raises AwsError when it is refused."""
        try:
            await asyncio.to_thread(self.storage.files.add, archive, digest)
        except PackageError as error:
            raise invalid(
                f"Could not unzip uploaded file. Please check your file, then try to upload again. {error}"
            ) from error

    async def drop_unused_code(self) -> None:
        """Remove code that no function or layer has and no instance runs."""
        used = self.supervisor.used_code() | self.layers.digests()
        for function in self.functions.everything():
            used |= function.stored
        await asyncio.to_thread(self.storage.files.keep, used)

    def code_location(self, sha256: str) -> str:
        """A link to a ZIP that opens for whoever has it."""
        return f"{self.endpoint}/_workbench/code/{sha256}?token={self.code_token(sha256)}"

    def code_token(self, sha256: str) -> str:
        """What entitles to download this code: part of the link that GetFunction gives."""
        return hmac.new(self.secret, sha256.encode(), hashlib.sha256).hexdigest()

    # ---- in the background -------------------------------------------------------------------------------------------

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what a request does not wait for."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def prepare(self, version: Function) -> None:
        """Make a version's snapshot, and say of it how that went; a version deleted meanwhile stays away."""
        try:
            await self.supervisor.prepare(version)
            done = replace(version, state="Active", state_reason="")
        except AwsError as error:
            done = replace(version, state="Failed", state_reason=error.message)
        async with self.changing:
            now = self.functions.version(version.name, version.number)
            if now is not None and now.revision == version.revision:
                await self.save(replace(now, state=done.state, state_reason=done.state_reason))

    def arn(self, name: str, qualifier: str | None = None) -> str:
        """The ARN of a function, version or alias here."""
        return function_arn(self.region, name, qualifier)


def check_revision(wanted: str | None, latest: str) -> None:
    """Raise AwsError when a request is about another revision than the latest."""
    if wanted is not None and wanted != latest:
        raise AwsError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
            Type="User",
        )
