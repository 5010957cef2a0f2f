"""gVisor as a runtime of Docker Engine: what has to be registered, and what that lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUNTIME = "runsc"
ARGUMENTS = ("--host-uds=open", "--host-fifo=open")
"""What lets the inside reach the Unix sockets and the FIFO of its control channel, and nothing else of the machine."""

REMEDY = (
    'Install runsc (Debian: apt-get install runsc) and register it in /etc/docker/daemon.json: {"runtimes": {"runsc": '
    '{"path": "/usr/bin/runsc", "runtimeArgs": ["--network=none", "--host-uds=open", "--host-fifo=open"]}}}; '
    "then restart Docker Engine."
)


def missing(runtimes: Mapping[str, Any]) -> str:
    """What an engine with those `runtimes` (see `docker info`) lacks; empty when nothing, as far as it tells."""
    if RUNTIME not in runtimes:
        return "Docker Engine has no runtime runsc registered."
    given = {_flag(argument) for argument in runtimes[RUNTIME].get("runtimeArgs") or ()}
    lacking = [argument for argument in ARGUMENTS if not _allows(argument, given)]
    return f"Docker Engine's runtime runsc is registered without {' and '.join(lacking)}." if lacking else ""


def _flag(argument: str) -> str:
    return argument.lstrip("-")


def _allows(wanted: str, given: set[str]) -> bool:
    name = _flag(wanted).partition("=")[0]
    if name == "host-uds" and given & {"fsgofer-host-uds", "fsgofer-host-uds=true"}:  # its older name
        return True
    return bool(given & {f"{name}=open", f"{name}=all"})
