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

RUNTIMES = {
    "python": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "nodejs": "nodejs22.x",
    "java": "java21",
}
"""The runtime identifier that a service gets by its language; it runs on the version that this machine has."""

_PYTHON = re.compile(r"[A-Za-z_][\w/]*(\.[A-Za-z_]\w*)+")
_NODE = re.compile(r"([\w@-][\w@.-]*/)*[\w@-]+(\.[A-Za-z_$][\w$]*)+")
_JAVA = re.compile(r"([A-Za-z_$][\w$]*\.)*[A-Za-z_$][\w$]*(::[A-Za-z_$][\w$]*)?")
_NODE_FILES = (".js", ".mjs", ".cjs")
_PATH = re.compile(r"/(?!_workbench/)[\x21-\x22\x24-\x7e]*")
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
    """A directory of code with a handler as AWS Lambda names it, and the resources one instance of it gets.

    The handler is `module.function` in Python, `file.function` in Node.js, `package.Class::method` in Java. A
    long-running instance is healthy when its handler answers GET `health_path` with a status below 400; without one,
    when its HTTP host answers. Raises PackageError for a path that is none. `outbound` names what an instance may reach
    beyond itself, in the words of `faas/running/outbound.py`: `5672` is port 5672 of this machine's loopback address.
    """

    name: str
    source: Path
    handler: str
    runtime: str = f"python{sys.version_info.major}.{sys.version_info.minor}"
    resources: Resources = Resources()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    health_path: str = ""
    outbound: str = ""

    def __post_init__(self) -> None:
        if self.health_path and not _PATH.fullmatch(self.health_path):
            raise PackageError(
                f"The health path is {self.health_path!r}; write it as it stands in a URL, with its slash: /health."
            )

    @classmethod
    def from_dir(
        cls,
        directory: str | Path,
        handler: str = "app.handler",
        *,
        name: str | None = None,
        runtime: str | None = None,
        resources: Resources = Resources(),
        environment: Mapping[str, str] | None = None,
        health_path: str = "",
    ) -> Service:
        """Describe the service in `directory` whose entry is `handler`; raises PackageError naming what is wrong.

        `runtime` is a Lambda runtime identifier such as `nodejs22.x`; without it the handler's file tells the language.
        """
        source = Path(directory).expanduser()
        if not source.exists():
            raise PackageError(f"There is no directory {source}. Give the directory that holds your handler's module.")
        if not source.is_dir():
            raise PackageError(f"{source} is not a directory. Give the directory that holds your handler's module.")
        source = source.resolve()
        if runtime is None:
            runtime = RUNTIMES[_language(source, handler)]
        else:
            _check(source, handler, runtime)
        service_name = name or _NAME.sub("-", source.name).strip("-") or "service"
        return cls(
            service_name[:64],
            source,
            handler,
            runtime,
            resources=resources,
            environment=MappingProxyType(dict(environment or {})),
            health_path=health_path,
        )

    def with_resources(self, resources: Resources) -> Service:
        """The same service with other limits."""
        return replace(self, resources=resources)

    def with_environment(self, **variables: str) -> Service:
        """The same service with environment variables added."""
        return replace(self, environment=MappingProxyType({**self.environment, **variables}))

    def reaching(self, *ports: int) -> Service:
        """The same service, whose instances reach these ports of this machine's loopback address at their own."""
        return replace(self, outbound=" ".join(str(port) for port in ports))


def _language(source: Path, handler: str) -> str:
    """The language of the file that `handler` names."""
    found = [language for language in _FINDERS if _FINDERS[language](source, handler)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"runtime={RUNTIMES[language]!r}" for language in found)
        raise PackageError(f"The handler {handler!r} fits files of {' and '.join(found)} in {source}. Say {choices}.")
    if not any(pattern.fullmatch(handler) for pattern in (_PYTHON, _NODE, _JAVA)) or "." not in handler:
        raise PackageError(
            f"The handler is {handler!r}; write it as module.function, for example app.handler for "
            "`def handler(event, context)` in app.py, index.handler for `exports.handler` in index.js, or "
            "shop.Orders::handleRequest for a method of a Java class."
        )
    raise PackageError(_missing(source, handler, f"{_module(handler)}.py"))


def _check(source: Path, handler: str, runtime: str) -> None:
    """Raise PackageError where `handler` is not one of `runtime` with its file in `source`."""
    language = next((language for language in _FINDERS if runtime.startswith(language)), "")
    if not language and (source / "Dockerfile").is_file():
        return  # which alone knows how to run it
    if not language:
        known = ", ".join(RUNTIMES.values())
        raise PackageError(
            f"There is no runtime {runtime!r} here; choose one like {known}. In a Docker container any program runs, "
            f"with a Dockerfile in {source}."
        )
    if not _FINDERS[language](source, handler):
        expected = {"nodejs": f"{_module(handler)}.js, .mjs or .cjs", "java": f"a class {handler.partition('::')[0]}"}
        raise PackageError(_missing(source, handler, expected.get(language, f"{_module(handler)}.py")))


def _missing(source: Path, handler: str, expected: str) -> str:
    kinds = (".py", *_NODE_FILES, ".java", ".jar")
    found = (
        ", ".join(sorted(p.name for p in source.iterdir() if p.suffix in kinds)) or "no .py file, nor one of Node.js"
    )
    return (
        f"The handler {handler!r} needs {source / expected}, which does not exist ({found} in {source}). "
        "Name it with --handler module.function."
    )


def _module(handler: str) -> str:
    return handler.rpartition(".")[0].replace(".", "/")


def _in_python(source: Path, handler: str) -> bool:
    place = source / _module(handler)
    return bool(_PYTHON.fullmatch(handler)) and (Path(f"{place}.py").is_file() or (place / "__init__.py").is_file())


def _in_node(source: Path, handler: str) -> bool:
    # The file's name ends at the first dot after the last slash; what follows is a path of exported names.
    folder, slash, rest = handler.rpartition("/")
    stem = folder + slash + rest.partition(".")[0]
    return bool(_NODE.fullmatch(handler)) and any((source / f"{stem}{suffix}").is_file() for suffix in _NODE_FILES)


def _in_java(source: Path, handler: str) -> bool:
    # A class may lie in a jar, or be compiled from a source file of any place: only the method's mark is certain.
    if not _JAVA.fullmatch(handler):
        return False
    path = handler.partition("::")[0].replace(".", "/")
    return "::" in handler or any((source / f"{path}{suffix}").is_file() for suffix in (".java", ".class"))


_FINDERS = {"python": _in_python, "nodejs": _in_node, "java": _in_java}
