"""What boxes one instance in, whatever it is made of: the seam between deployments and isolation.

A launcher is a function `launch(spec) -> Sandbox`. `entry` names what runs inside: `lambda_host.py` (the Runtime API's
client: it makes its listener inside and passes it out) or `http_host.py` (a long-running HTTP server of the same
handler, reachable from this machine at `address`). For a language other than Python it names the same role, played by
that language's own host.

The control channel is a Unix stream socket held by both ends for the instance's whole life. The inside writes JSON
lines, `{"mark": NAME, "at_ns": monotonic ns}`, in this order: `sandbox_ready` (its first instruction; for
`lambda_host.py` this message carries the Runtime API listener as SCM_RIGHTS), `runtime_ready` (about to load the
service), `function_ready` (http_host only: the service is loaded and requests are taken), or `init_error` with
`error: {errorType, errorMessage, stackTrace}`. For each of `spec.ports` the inside makes a listener on that port of
its own 127.0.0.1 and passes it out with `{"mark": "listener", "port": N}`, before `runtime_ready`. A template says
`snapshot_ready` when its function has been loaded and it can be forked from. End of file from inside means the
instance is gone; end of file from outside means its owner is gone, and the instance must end itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from workbench.service import Resources


class Technique(StrEnum):
    """How a new instance comes to its runtime."""

    SPAWN = "spawn"  # a new interpreter is started
    ZYGOTE = "zygote"  # forked from a process that has the runtime imported (SOCK, ATC'18)
    SNAPSHOT = "snapshot"  # forked from an instance of the same function that has been initialised (SnapStart's idea)


@dataclass(frozen=True)
class Usage:
    """What an instance has used so far: CPU seconds and peak resident memory in bytes."""

    cpu_s: float
    peak_memory_bytes: int


@dataclass(frozen=True)
class SandboxSpec:
    """What to launch: an entry of `runtimes/` over the unpacked package `code`, read-only at /var/task inside."""

    name: str  # unique: the instance id; also host name, cgroup and container name
    entry: str  # "lambda_host.py" or "http_host.py"
    handler: str
    code: Path
    resources: Resources
    environment: Mapping[str, str] = field(default_factory=dict)
    pids_limit: int = 256
    language: str = "python"  # or "nodejs", "java": a name of `isolation.languages`
    opt: Path | None = None  # unpacked layers, read-only at /opt inside
    ports: tuple[int, ...] = ()  # listeners on the inside's 127.0.0.1 that are passed out (see above)
    technique: Technique = Technique.SPAWN  # SPAWN or ZYGOTE; a snapshot's instances come from `Template.launch`


class Sandbox(Protocol):
    """One instance's box. Every method may be called at any time, `kill` and `close` any number of times."""

    @property
    def name(self) -> str:
        """The spec's name."""

    @property
    def kind(self) -> str:
        """`process`, `namespaces`, `docker` or `gvisor`."""

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT` of an `http_host.py`; empty for a `lambda_host.py`."""

    @property
    def control(self) -> socket.socket:
        """Our end of the control channel (see the module's text)."""

    @property
    def output(self) -> int:
        """Read end (file descriptor, non-blocking) of the instance's stdout and stderr."""

    @property
    def launched_ns(self) -> int:
        """Monotonic clock when `launch` was called."""

    @property
    def enforced(self) -> frozenset[str]:
        """What really holds here, of `memory`, `cpu`, `pids`, `tmp`, `network`, `filesystem`, `freeze`, `seccomp`."""

    def freeze(self) -> None:
        """Take its CPU away until `thaw`; returns when it has stopped."""

    def thaw(self) -> None:
        """Let it run again."""

    def usage(self) -> Usage | None:
        """CPU and peak memory so far; None when this machine cannot tell."""

    def oom_killed(self) -> bool:
        """Whether its memory limit ended something inside."""

    def exit_code(self) -> int | None:
        """None while it lives; its exit status, or minus the signal that ended it."""

    def kill(self) -> None:
        """End it and everything it started, at once; returns when it is gone."""

    def close(self) -> None:
        """`kill`, then release descriptors, cgroups and directories."""


Launcher = Callable[[SandboxSpec], Sandbox]


class Template(Sandbox, Protocol):
    """An initialised instance that serves nothing itself: others are forked from it."""

    def launch(self, spec: SandboxSpec) -> Sandbox:
        """A new instance in a box of its own that goes on where this one said `snapshot_ready`.

        Takes of `spec` the name, the resources and the environment variables that tell one instance from another; code
        and handler are this template's. Its marks are `sandbox_ready` (its first instruction after the fork) and
        `runtime_ready` (before the hooks that run after a restore). Raises DeploymentError.
        """


TemplateLauncher = Callable[[SandboxSpec], Template]
