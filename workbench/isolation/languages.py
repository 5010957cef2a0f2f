"""What a language needs in a box: a tree that is /var/lang inside, and the command that plays an entry's role.

A language but Python is a module with `tree()`, `command(...)` and `environment(...)` (see `nodejs.py`). Its host is
started with the control channel open under the number in WORKBENCH_CONTROL_FD and `sandbox_ready` said; for
`lambda_host.py` the Runtime API's listener is made and passed out, and its address is in AWS_LAMBDA_RUNTIME_API; for
`http_host.py` the listening socket's number is in WORKBENCH_LISTEN_FD. Where nothing else in the box can do that before
the host is started, `runtimes/other_host.py` does (`prepared`).
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Protocol, cast

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.sandbox import SandboxSpec

INSIDE = "/var/lang"
PYTHON_OPTIONS = ("-u", "-I", "-S", "-B")
"""Unbuffered output; nothing importable but the standard library, the runtime directory and the task root."""

_MODULES = {"nodejs": "workbench.isolation.nodejs", "java": "workbench.isolation.java_tree"}
LANGUAGES = ("python", "nodejs", "java")
_PREPARING = "other_host.py"


class _Language(Protocol):
    """What the module of a language has."""

    def tree(self) -> Path: ...

    def command(self, entry: str, *, runtime_dir: str, lang_dir: str, memory_mb: int) -> list[str]: ...

    def environment(self, *, runtime_dir: str, task_root: str, lang_dir: str, opt_dir: str) -> dict[str, str]: ...


def of(runtime: str) -> str:
    """The language of a Lambda runtime identifier: `nodejs` of `nodejs22.x`; empty when there is none of that name."""
    name = re.match(r"[a-z]*", runtime)
    return name[0] if name is not None and name[0] in LANGUAGES else ""


def tree(language: str) -> Path | None:
    """The directory that is /var/lang inside, readable by everybody; None for Python, which the root file system has.

    Built when first asked for, kept in `cache_dir()`. Raises CapabilityMissing where the language is not installed.
    """
    return None if language == "python" else _module(language).tree()


def command(
    language: str, entry: str, *, interpreter: str, runtime_dir: str, lang_dir: str = INSIDE, memory_mb: int = 0
) -> list[str]:
    """The command line, as seen from inside the box, that plays `entry` in `language`, within `memory_mb` (0: unknown).

    For a language but Python it counts on what the module's text says; `prepared` sees to that.
    """
    if language == "python":
        return [interpreter, *PYTHON_OPTIONS, f"{runtime_dir}/{entry}"]
    return _module(language).command(entry, runtime_dir=runtime_dir, lang_dir=lang_dir, memory_mb=memory_mb)


def prepared(spec: SandboxSpec, *, interpreter: str, runtime_dir: str, lang_dir: str = INSIDE) -> list[str]:
    """`command` for `spec` in a box where nothing but a first program inside can prepare what another host needs."""
    host = command(
        spec.language,
        spec.entry,
        interpreter=interpreter,
        runtime_dir=runtime_dir,
        lang_dir=lang_dir,
        memory_mb=spec.resources.memory_mb,
    )
    if spec.language == "python":
        return host
    return [interpreter, *PYTHON_OPTIONS, f"{runtime_dir}/{_PREPARING}", spec.entry, *host]


def environment(language: str, *, runtime_dir: str, task_root: str, lang_dir: str, opt_dir: str) -> dict[str, str]:
    """The variables of its own that AWS Lambda sets for a language, with the directories as seen from inside.

    None for Python, nor for what an image brings that is in no language known here.
    """
    if language in ("python", ""):
        return {}
    return _module(language).environment(
        runtime_dir=runtime_dir, task_root=task_root, lang_dir=lang_dir, opt_dir=opt_dir
    )


def _module(language: str) -> _Language:
    if language not in LANGUAGES:
        raise DeploymentError(
            f"What runs here by itself is {', '.join(LANGUAGES)}. A Docker container runs a program in any language, "
            "with a Dockerfile in the service's directory that starts it by any_host.py."
        )
    if language not in _MODULES:
        raise CapabilityMissing(f"This machine runs no {language} functions", "Use another language.")
    return cast(_Language, importlib.import_module(_MODULES[language]))
