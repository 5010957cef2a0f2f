"""gVisor as a runtime of Docker Engine: what has to be registered, and what that lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RUNTIME = "runsc"
ARGUMENTS = ("--network=none", "--host-uds=open")
"""How it is registered: without a network of its own, and allowed to connect to the Unix sockets mounted into it."""

REMEDY = (
    'Install runsc (Debian: apt-get install runsc), put {"runtimes": {"runsc": {"path": "/usr/bin/runsc", '
    '"runtimeArgs": ["--network=none", "--host-uds=open"]}}} into /etc/docker/daemon.json, and restart Docker Engine.'
)
_ENOUGH = {"host-uds=open", "host-uds=all", "fsgofer-host-uds", "fsgofer-host-uds=true"}  # the last two: older releases


def missing(runtimes: Mapping[str, Any]) -> str:
    """What an engine with those `runtimes` (see `docker info`) lacks, as a sentence; empty when nothing."""
    if RUNTIME not in runtimes:
        return "Docker Engine has no runtime runsc registered."
    given = {argument.lstrip("-") for argument in runtimes[RUNTIME].get("runtimeArgs") or ()}
    if not given & _ENOUGH:
        return "Docker Engine has the runtime runsc registered without --host-uds=open: nothing could reach its inside."
    if "network=none" not in given:  # where runsc cannot set its own up, a start fails and leaves its processes
        return "Docker Engine has the runtime runsc registered without --network=none: its own network may not start."
    return ""
