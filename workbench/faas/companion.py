"""What may stand beside the platform in its process: event sources, gateways, schedules.

The platform knows none of them. Whoever starts it hands over a `Beside`, which is given a `Host` and makes companions.
"""

from __future__ import annotations

import hmac
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workbench.faas.credentials import Keyring
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Streamed
from workbench.faas.functions.names import parse
from workbench.faas.functions.storage import Statement
from workbench.faas.operations import Context, Operations
from workbench.faas.operations.context import Table
from workbench.faas.running.calls import Outcome


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try of an asynchronous invocation: the function ran, or with an empty `instance` it did not.

    With `given_up` no other try follows; `error` says why, and `targets` are the ARNs that are told of it.
    """

    request: str
    function: str  # its name
    instance: str
    error: str  # empty when the handler answered
    given_up: bool = False
    targets: tuple[str, ...] = ()


Watch = Callable[[Delivery], None]


@dataclass(frozen=True, slots=True)
class Host:
    """What a companion may use of its platform."""

    operations: Operations
    keys: Keyring
    embedded: bool = False  # the AWS services shall run beside the platform (`--aws`)
    watchers: list[Watch] = field(default_factory=list)  # are told how asynchronous invocations ended

    def is_owner(self, access_key: str, secret: str) -> bool:
        """Whether these are the platform's own access key and its secret, for a protocol that cannot sign."""
        key = self.keys.find(access_key, "")
        return key is not None and not key.owner and hmac.compare_digest(key.secret.encode(), secret.encode())

    @property
    def context(self) -> Context:
        """Functions, storage, the AWS endpoint and the region."""
        return self.operations.context

    async def invoke(self, function: str, payload: bytes, request: str = "") -> Outcome:
        """Run a function (name or ARN, with a qualifier or not) and wait; the outcome may be the handler's error.

        Raises AwsError when it did not run, or may have run without an answer: throttled, timed out, gone.
        """
        target = self.operations.resolve(function, None)
        return await self.context.supervisor.invoke(
            target.function, payload, request=request or str(uuid.uuid4()), arn=target.invoked_arn
        )

    async def accept(self, function: str, payload: bytes, along: Sequence[Statement] = ()) -> str:
        """Put an asynchronous invocation on disk; its id. When this returns, it will be delivered at least once.

        What goes `along` is carried out in the same transaction. A function that cannot run yet gets it later.

        Raises AwsError when there is no function of that name, or it is no name.
        """
        named = parse(function, self.context.region)
        self.context.of(named)
        return await self.context.events.accept(named.name, payload, "", named.qualifier or "", along)

    def delivered(self, delivery: Delivery) -> None:
        """Tell all watchers."""
        for watch in self.watchers:
            watch(delivery)

    @staticmethod
    def now_s() -> float:
        """Seconds since the epoch."""
        return time.time()


class Companion(Protocol):
    """One of them; made before the platform listens."""

    @property
    def operations(self) -> Table:
        """Operations of Lambda's API that it answers, by their names in the model."""

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """The answer to a signed request below `/_workbench/`; None when it is not for this companion."""

    async def resume(self) -> None:
        """Begin: the platform listens now, and has its functions again."""

    async def stop(self) -> None:
        """Take up nothing new; what is under way may finish."""

    async def close(self) -> None:
        """End everything."""


Beside = Callable[[Host], Sequence[Companion]]
