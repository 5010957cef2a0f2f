"""What boxes one instance in, whatever it is made of: the seam between deployments and isolation.

A launcher is a function `launch(spec) -> Sandbox`. `entry` names a file of `workbench/runtimes/` that runs inside:
`lambda_host.py` (the Runtime API's client: it makes its listener inside and passes it out) or `http_host.py`
(a long-running HTTP server of the same handler, reachable from this machine at `address`).

The control channel is a Unix stream socket held by both ends for the instance's whole life. The inside writes JSON
lines, `{"mark": NAME, "at_ns": monotonic ns}`, in this order: `sandbox_ready` (its first instruction; for
`lambda_host.py` this message carries the Runtime API listener as SCM_RIGHTS), `runtime_ready` (about to load the
service), `function_ready` (http_host only: the service is loaded and requests are taken), or `init_error` with
`error: {errorType, errorMessage, stackTrace}`. End of file from inside means the instance is gone; end of file from
outside means its owner is gone, and the instance must end itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from workbench.service import Resources


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


class Sandbox(Protocol):
    """One instance's box. Every method may be called at any time, `kill` and `close` any number of times."""

    @property
    def name(self) -> str:
        """The spec's name."""

    @property
    def kind(self) -> str:
        """`process`, `namespaces` or `docker`."""

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
        """Limits that really hold here, of `memory`, `cpu`, `pids`, `tmp`, `network`, `filesystem`, `freeze`."""

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
