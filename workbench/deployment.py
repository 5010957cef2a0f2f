"""A running service, whatever it runs on: the seam between experiments and deployments."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from workbench.instance import InstanceEvent, InstanceView
from workbench.invocation import InvocationResult, Target
from workbench.service import Service


class Deployment(Protocol):
    """One service deployed one way; a context manager that stops all it started."""

    @property
    def pattern(self) -> str:
        """`serverless`, `container`, `vm` or `fake`."""

    @property
    def sandbox(self) -> str:
        """What boxes an instance in here, for people: `namespaces`, `docker`, `process`, ..."""

    @property
    def service(self) -> Service:
        """The service deployed now."""

    @property
    def endpoint(self) -> str:
        """The address that takes invocations."""

    def invoke(self, payload: Any) -> InvocationResult:
        """Call the handler once and wait.

        Raises HandlerError when it raised, InvocationTimeout past its limit, Throttled when refused at a concurrency
        limit, InvocationError otherwise (its `definite` says whether a retry is safe).
        """

    def invoke_cold(self, payload: Any) -> InvocationResult:
        """Start a new instance, answer from it, and return that answer, `cold` and with its phases.

        The latency counts from this call. The new instance replaces the others, which are stopped afterwards.
        """

    def targets(self, payload: Any) -> tuple[Target, ...]:
        """The requests a load generator may send to invoke with `payload`; to be spread evenly where several."""

    def scale(self, n: int) -> None:
        """Have `n` instances ready. Serverless starts none before need: there it sets the most that may run."""

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now."""

    def events(self) -> tuple[InstanceEvent, ...]:
        """Every change of state so far, oldest first."""

    def logs(self, instance_id: str) -> str:
        """What an instance printed lately (its last 64 KB)."""

    def kill_instance(self, instance_id: str) -> None:
        """End one instance as a crash would (for reliability experiments)."""

    def update(self, service: Service) -> None:
        """Deploy a new version of the service in place; returns when it answers."""

    def beside(self, service: Service) -> Self:
        """Deploy another service the same way, as this one's neighbour (same platform, engine, machine)."""

    def close(self) -> None:
        """Stop all this deployment started; may be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True)
class Credentials:
    """What signs requests to an endpoint."""

    access_key_id: str
    secret_access_key: str
    region: str


@runtime_checkable
class Signed(Protocol):
    """A deployment whose endpoint takes signed requests only: `targets()` are signed, for five minutes."""

    @property
    def credentials(self) -> Credentials:
        """What signs them anew."""
