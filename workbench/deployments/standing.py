"""A platform by itself, for as long as a `with` block: what triggers functions is tried on it, through plain boto3."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from workbench.deployments.following import Following
from workbench.deployments.platform import Platform
from workbench.deployments.serverless import SANDBOXES, ServerlessDeployment
from workbench.errors import DeploymentError
from workbench.service import Service


def platform(
    sandbox: str = "auto", *, aws: bool = False, idle_expiry_s: float | None = None, retry_scale: float = 1.0
) -> StandingPlatform:
    """Start a platform of its own; with `aws`, S3, DynamoDB, Kinesis, SQS, SNS and others run beside it.

    Between two tries of an event AWS waits a minute, then two; `retry_scale` shortens such pauses (0.01: a hundredth).
    Raises DeploymentError when there is no such sandbox, or the platform does not start.
    """
    if sandbox != "auto" and sandbox not in SANDBOXES:
        raise DeploymentError(f"There is no sandbox {sandbox!r} here; choose auto or one of {', '.join(SANDBOXES)}.")
    return StandingPlatform(Platform(sandbox, idle_expiry_s, aws=aws, retry_scale=retry_scale))


class StandingPlatform:
    """A platform and the keys to it; a context manager that ends it, with all that is on it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._clients: dict[str, Any] = {}

    @property
    def endpoint(self) -> str:
        """Its address, as boto3's `endpoint_url` takes it."""
        return self._platform.access.endpoint

    @property
    def region(self) -> str:
        """The AWS region that it says it is in."""
        return self._platform.access.region

    def client(self, service: str) -> Any:
        """A boto3 client ("lambda", "s3", "sqs", ...) with endpoint and keys set."""
        if service not in self._clients:
            self._clients[service] = self._platform.access.client_of(service)
        return self._clients[service]

    def deploy(self, service: Service) -> ServerlessDeployment:
        """The service as a function on it."""
        return ServerlessDeployment(service, self._platform, owns_platform=False)

    def request(self, method: str, path: str, body: bytes = b"") -> Any:
        """The JSON answer to one of the platform's own requests (`/_workbench/...`); raises DeploymentError."""
        return self._platform.request(method, path, body)

    def follow(self, path: str) -> Following:
        """The lines of a request that goes on (`/_workbench/flow?follow`); whoever asks for it closes it."""
        return self._platform.follow(path)

    def close(self) -> None:
        """End it."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._platform.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
