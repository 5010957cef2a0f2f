"""Fake deployments whose instances do as a test says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import pytest

from workbench.deployments.fake import FakeDeployment
from workbench.invocation import InvocationResult
from workbench.samples import sample
from workbench.service import Service


class Scripted(FakeDeployment):
    """The fake, with a script: `before(what, payload)` runs first and may raise; every neighbour made is remembered."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self.calls: list[str] = []
        self.neighbours: list[Scripted] = []
        self.closed = False
        self.stale = 0  # so many forced cold starts answer from the instance that is there
        self.log: list[str] | None = None
        self.label = "fake"
        self.raise_at: dict[int, BaseException] = {}

    def invoke_cold(self, payload: Any) -> InvocationResult:
        self.calls.append("cold")
        if self.log is not None:
            self.log.append(self.label)
        if error := self.raise_at.get(len(self.calls)):
            raise error
        if self.stale:
            self.stale -= 1
            return self.invoke(payload)
        return super().invoke_cold(payload)

    def beside(self, service: Service) -> Self:
        neighbour = super().beside(service)
        self.neighbours.append(neighbour)
        return neighbour

    def close(self) -> None:
        self.closed = True
        super().close()

    def all_closed(self) -> bool:
        """Whether every neighbour, and theirs, was closed."""
        return all(n.closed and n.all_closed() for n in self.neighbours)


@pytest.fixture
def make() -> Iterator[Any]:
    """A function that deploys the pricing sample, or the service given, as Scripted."""
    made: list[Scripted] = []

    def new(service: Service | None = None, label: str = "fake") -> Scripted:
        deployment = Scripted(service or sample("pricing"))
        deployment.label = label
        deployment.scale(1)
        made.append(deployment)
        return deployment

    yield new
    for deployment in made:
        deployment.close()
