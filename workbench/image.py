"""The image context of a service: a Dockerfile to read, and the folders that it copies, one to a layer.

`dependencies/` comes first and `code/` second, so that changed code makes the small layer anew and no other. The
health check asks what the deployment itself asks, inside the container. Its interval is 30 s, and the first one comes
that much after the start: each is a new interpreter, about 30 ms of CPU inside the instance's own limits, so it never
falls into a cold start and takes less than 0.2% of one CPU else. What a service is given as environment (secrets too)
comes with the container and is no part of the image.

A `Dockerfile` in the service's directory is used instead of the one written here, with the same folders beside it. The
base that it names in `ARG BASE=` is taken, unless that is our own of some other day.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workbench.errors import PackageError
from workbench.isolation import languages, rootfs
from workbench.isolation.engine import bases
from workbench.package import package, unpacked
from workbench.sandbox import SandboxSpec
from workbench.service import Service

DOCKERFILE = "Dockerfile"
PORT = 8080
HEALTH_INTERVAL_S = 30
USER = 64_535
"""The user that the image names: one that no distribution gives to anybody."""

_RUNTIME, _TASK = "/var/runtime", "/var/task"
_PYTHON = "python3"  # found in PATH, as bases have it in different places


@dataclass(frozen=True)
class ImageContext:
    """What an image is built from; `folders` have each file by its path within them, `digest` tells all of it."""

    name: str
    base: str
    dockerfile: str
    brought: bool  # the Dockerfile is the service's own
    folders: dict[str, dict[str, Path]]
    digest: str

    def files(self) -> Iterator[tuple[str, Path | bytes]]:
        """Every file of the context, named as the Dockerfile sees it, and folders (ending in a slash) before theirs."""
        yield DOCKERFILE, self.dockerfile.encode()
        for folder, content in self.folders.items():
            yield f"{folder}/", b""
            for name, path in content.items():
                yield f"{folder}/{name}", path

    def write(self, directory: Path) -> None:
        """Write it out for reading and editing; raises PackageError where `directory` is no new or empty directory."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if any(directory.iterdir()):
                raise PackageError(f"{directory} has files in it, perhaps edited ones. Name a new directory.")
            for name, content in self.files():
                _write(directory / name, content, folder=name.endswith("/"))
        except OSError as error:
            raise PackageError(f"The image's files cannot be written: {error}. Name another directory.") from error


def _write(place: Path, content: Path | bytes, *, folder: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        place.mkdir()
    elif isinstance(content, bytes):
        place.write_bytes(content)
    else:
        shutil.copyfile(content, place)
        place.chmod(0o755 if content.stat().st_mode & 0o100 else 0o644)


def image_context(service: Service, *, base: str = "", code: Path | None = None) -> ImageContext:
    """What the service's image is built from.

    `base`: the image to build on (see `engine.bases`); `code`: the unpacked package, where it was made ready in a
    way of its own (Java, compiled). Raises PackageError, and CapabilityMissing where the language is not installed.
    """
    code = code or unpacked(package(service))
    language = languages.of(service.runtime)
    names = {path.relative_to(code).as_posix(): path for path in sorted(code.rglob("*")) if path.is_file()}
    brought = names.pop(DOCKERFILE, None)
    own_text = brought.read_text(encoding="utf-8", errors="replace") if brought is not None else ""
    if not language and brought is None:
        languages.tree(language)  # says what does
    base = base or bases.default(language or "python", _base_in(own_text))
    needed = _dependencies(names)
    folders = {
        "dependencies": {name: path for name, path in names.items() if name in needed},
        "code": {name: path for name, path in names.items() if name not in needed},
    }
    if not bases.is_own(base):
        folders["runtime"] = _tree(rootfs.runtime_dir())
        tree = languages.tree(language) if language else None
        if tree is not None:
            folders["language"] = _tree(tree)
    text = own_text or _dockerfile(service, base, folders)
    return ImageContext(service.name, base, text, brought is not None, folders, _digest(base, text, folders))


def _base_in(dockerfile: str) -> str:
    found = re.search(r"^ARG BASE=(\S+)", dockerfile, re.MULTILINE | re.IGNORECASE)
    return found[1] if found is not None else ""


def _dependencies(names: dict[str, Path]) -> frozenset[str]:
    """What an installer put there: what a RECORD lists (`pip install -t`), `node_modules/`, and the jars in `lib/`."""
    found = {name for name in names if "node_modules" in PurePosixPath(name).parts[:-1]}
    found |= {name for name in names if PurePosixPath(name).match("lib/*.jar") and name.count("/") == 1}
    for name, path in names.items():
        if name.endswith(".dist-info/RECORD"):
            found |= _recorded(PurePosixPath(name).parent.parent, path.read_text(encoding="utf-8", errors="replace"))
    return frozenset(found & names.keys())


def _recorded(site: PurePosixPath, record: str) -> set[str]:
    # Lines of CSV (PyPA, "Recording installed projects"): path, hash, size; a path with a comma in it is quoted.
    paths = [line[1:].split('"')[0] if line.startswith('"') else line.split(",")[0] for line in record.splitlines()]
    return {(site / path).as_posix() for path in paths if path}


def _dockerfile(service: Service, base: str, folders: dict[str, dict[str, Path]]) -> str:
    lines = [
        f"# The service {service.name}. What changes least comes first: a step is made anew after one that changed.",
        f"ARG BASE={base}",
        "FROM ${BASE}",
    ]
    if "runtime" in folders:
        lines.append(f"COPY runtime/ {_RUNTIME}/")
    if "language" in folders:
        lines.append(f"COPY language/ {languages.INSIDE}/")
    environment = {
        "_HANDLER": service.handler,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(service.resources.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": service.name,
        "LAMBDA_RUNTIME_DIR": _RUNTIME,
        "LAMBDA_TASK_ROOT": _TASK,
        "WORKBENCH_LISTEN_PORT": str(PORT),
        "WORKBENCH_TIMEOUT_S": str(service.resources.timeout_s),
    }
    health = [_PYTHON, *languages.PYTHON_OPTIONS, f"{_RUNTIME}/wb_health.py"]
    lines += [
        "",
        f"WORKDIR {_TASK}",
        "ENV " + " \\\n    ".join(f"{name}={json.dumps(value)}" for name, value in environment.items()),
        f"EXPOSE {PORT}",
        f"HEALTHCHECK --interval={HEALTH_INTERVAL_S}s --timeout=5s --retries=3 \\\n    CMD {json.dumps(health)}",
        f"ENTRYPOINT {json.dumps(_entrypoint(service))}",
        "",
        "# What an installer put into the service's directory.",
        f"COPY dependencies/ {_TASK}/",
    ]
    if any(name.endswith(".py") for name in folders["dependencies"]):
        compiling = [_PYTHON, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", _TASK]
        lines += ["# Compiled here once, not at each start.", f"RUN {json.dumps(compiling)}"]
    lines += [f"USER {USER}:{USER}", "", "# What its own people wrote.", f"COPY code/ {_TASK}/"]
    return "\n".join(lines) + "\n"


def _entrypoint(service: Service) -> list[str]:
    language = languages.of(service.runtime)
    spec = SandboxSpec("image", "http_host.py", service.handler, Path(), service.resources, language=language)
    return languages.prepared(spec, interpreter=_PYTHON, runtime_dir=_RUNTIME)


def _tree(directory: Path) -> dict[str, Path]:
    return {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()}


def _digest(base: str, dockerfile: str, folders: dict[str, dict[str, Path]]) -> str:
    digest = hashlib.sha256(f"{base}\0{dockerfile}\0".encode())
    for folder, content in folders.items():
        for name, path in content.items():
            digest.update(f"{folder}/{name}\0{path.stat().st_mode & 0o111}\0".encode("utf-8", "surrogateescape"))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
