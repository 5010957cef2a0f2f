"""The Swarm that a service runs in: the engine's own where it is in one, else one of a single node, made for a while.

A Swarm made here listens on the loopback interface alone and says so in its labels. Whoever removes the last service
from it leaves it, and takes away the bridge that engines keep from then on; a Swarm without that label is never left.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from typing import Any

import docker
import docker.errors

from workbench.errors import CapabilityMissing
from workbench.session import cache_dir, session_id

LABEL = "workbench.session"
BRIDGE = "docker_gwbridge"
"""The network that an engine makes when it enters a Swarm, and keeps when it leaves."""

_BRIDGE_WAS_THERE = "workbench.bridge-was-there"
_PATIENCE_S = 20.0


@contextlib.contextmanager
def entered(client: docker.DockerClient) -> Iterator[str]:
    """The id of this node, a manager's; nobody leaves the Swarm while in here, so make the service in here.

    Raises CapabilityMissing where the engine is in somebody's Swarm without managing it, docker's errors otherwise.
    """
    with _one_at_a_time():
        if _state(client).get("LocalNodeState", "inactive") == "inactive":
            _make(client)
        state = _state(client)
        if not state.get("ControlAvailable"):
            raise CapabilityMissing(
                f"Docker Engine is in a Swarm that it does not manage (its node is {state.get('LocalNodeState')})",
                "Point DOCKER_HOST at a manager, or `docker swarm leave`, or use sandbox='docker'.",
            )
        yield str(state["NodeID"])


def is_made_here(client: docker.DockerClient) -> str:
    """The session that made the Swarm, empty where the engine is in none or in somebody else's."""
    return _labels(client).get(LABEL, "") if _state(client).get("ControlAvailable") else ""


def leave_unused(client: docker.DockerClient) -> bool:
    """Leave the Swarm if it was made here and has no service any more; whether it did. Raises docker's errors."""
    with _one_at_a_time():
        api: Any = client.api
        if not is_made_here(client) or api.services():
            return False
        labels = _labels(client)
        api.leave_swarm(force=True)
        if not labels.get(_BRIDGE_WAS_THERE):
            _remove_bridge(client)
        return True


def _make(client: docker.DockerClient) -> None:
    labels = {"workbench": "1", LABEL: session_id()}
    if client.api.networks(names=[BRIDGE]):
        labels[_BRIDGE_WAS_THERE] = "1"
    spec = client.api.create_swarm_spec(labels=labels)
    client.api.init_swarm(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:2377", swarm_spec=spec)


def _remove_bridge(client: docker.DockerClient) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            client.api.remove_network(BRIDGE)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if "active endpoints" not in str(error):  # of what is ending
                raise
        else:
            return
        time.sleep(0.1)


def _labels(client: docker.DockerClient) -> dict[str, str]:
    api: Any = client.api
    found: dict[str, str] = api.inspect_swarm()["Spec"].get("Labels") or {}
    return found


def _state(client: docker.DockerClient) -> dict[str, Any]:
    found: dict[str, Any] = client.api.info().get("Swarm") or {}
    return found


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    with open(cache_dir() / "docker-swarm.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
