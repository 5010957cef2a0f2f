"""What is deployed: a service written as an ordinary Lambda-style handler, and the resources of one instance."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from workbench.errors import PackageError

MEMORY_MB_PER_VCPU = 1769
"""At this memory AWS Lambda gives one vCPU (AWS Lambda developer guide, "Configure Lambda function memory")."""

_HANDLER = re.compile(r"[A-Za-z_][\w/]*(\.[A-Za-z_]\w*)+")
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Resources:
    """Limits of one instance: memory and /tmp in MB (2**20 bytes), one invocation's time limit in seconds."""

    memory_mb: int = 1769
    timeout_s: int = 30
    tmp_mb: int = 512

    def __post_init__(self) -> None:
        for name, low, high in (("memory_mb", 128, 10_240), ("timeout_s", 1, 900), ("tmp_mb", 512, 10_240)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise PackageError(f"{name} is {value}; choose a value from {low} to {high}, as AWS Lambda allows.")

    @property
    def vcpus(self) -> float:
        """CPU share in vCPUs, proportional to memory as AWS documents (one vCPU at 1,769 MB)."""
        return self.memory_mb / MEMORY_MB_PER_VCPU


@dataclass(frozen=True)
class Service:
    """A directory of code with a handler `module.function`, and the resources one instance of it gets."""

    name: str
    source: Path
    handler: str
    runtime: str = f"python{sys.version_info.major}.{sys.version_info.minor}"
    resources: Resources = Resources()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def from_dir(
        cls,
        directory: str | Path,
        handler: str = "app.handler",
        *,
        name: str | None = None,
        resources: Resources = Resources(),
        environment: Mapping[str, str] | None = None,
    ) -> Service:
        """Describe the service in `directory` whose entry is `handler`; raises PackageError naming what is wrong."""
        source = Path(directory).expanduser()
        if not source.exists():
            raise PackageError(f"There is no directory {source}. Give the directory that holds your handler's module.")
        if not source.is_dir():
            raise PackageError(f"{source} is not a directory. Give the directory that holds your handler's module.")
        source = source.resolve()
        if not _HANDLER.fullmatch(handler):
            raise PackageError(
                f"The handler is {handler!r}; write it as module.function, for example app.handler for "
                "`def handler(event, context)` in app.py."
            )
        module = handler.rpartition(".")[0].replace(".", "/")
        if not (source / f"{module}.py").is_file() and not (source / module / "__init__.py").is_file():
            found = ", ".join(sorted(p.name for p in source.glob("*.py"))) or "no .py file"
            raise PackageError(
                f"The handler {handler!r} needs {source / module}.py, which does not exist ({found} in {source}). "
                "Name it with --handler module.function."
            )
        service_name = name or _NAME.sub("-", source.name).strip("-") or "service"
        return cls(
            service_name[:64],
            source,
            handler,
            resources=resources,
            environment=MappingProxyType(dict(environment or {})),
        )

    def with_resources(self, resources: Resources) -> Service:
        """The same service with other limits."""
        return replace(self, resources=resources)

    def with_environment(self, **variables: str) -> Service:
        """The same service with environment variables added."""
        return replace(self, environment=MappingProxyType({**self.environment, **variables}))
