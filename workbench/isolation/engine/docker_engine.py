"""Docker Engine as the docker sandbox asks it: one client, a few questions, its errors in the project's words."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker.errors

from workbench.errors import CapabilityMissing, DeploymentError
from workbench.session import note_engine

REFUSED = (docker.errors.DockerException, OSError)
"""What docker-py raises; requests' errors come through, and are OSErrors."""

_PATIENCE_S = 60
_REMEDY = "Install and start Docker Engine and see that you may use it (`docker version`), or use another sandbox."


@functools.cache
def client(owner: int) -> docker.DockerClient:
    """The client of process `owner`: a connection must not be shared with one that was forked."""
    del owner
    try:
        made = docker.from_env(timeout=_PATIENCE_S)
        made.ping()
    except REFUSED as error:
        raise CapabilityMissing(f"Docker Engine cannot be reached ({error})", _REMEDY) from error
    note_engine()
    return made


def address(client: docker.DockerClient, container: str, port: int) -> str:
    """The URL at which the container's `port` is published; empty when it has ended: then its channel says why.

    Raises CapabilityMissing when it runs, and the port is not published.
    """
    with translated("ask for the published port"):
        found = client.api.inspect_container(container)
    published = (found["NetworkSettings"]["Ports"] or {}).get(f"{port}/tcp")
    if not published:
        if not found["State"]["Running"]:
            return ""
        raise CapabilityMissing(
            "Docker Engine published no port for the container",
            "See that it may change the packet filter (iptables), or use sandbox='namespaces'.",
        )
    return f"http://127.0.0.1:{published[0]['HostPort']}"


def runtimes(client: docker.DockerClient) -> dict[str, Any]:
    """What the engine has registered to run containers with, by name: `path` and `runtimeArgs` of each."""
    with translated("tell its runtimes"):
        found: dict[str, Any] = client.api.info().get("Runtimes") or {}
    return found


def state(client: docker.DockerClient, container: str) -> dict[str, Any]:
    """What the engine says of the container: Status, ExitCode, OOMKilled, Error; of one that is gone, `removed`."""
    try:
        found: dict[str, Any] = client.api.inspect_container(container)["State"]
    except docker.errors.NotFound:
        return {"Status": "removed", "ExitCode": 137}
    except REFUSED as error:
        raise DeploymentError(f"Docker Engine does not answer any more ({error}). Start it again.") from error
    return found


def health(state: dict[str, Any]) -> str:
    """What the container's own health check found, with what it printed where it failed; empty where there is none."""
    found = state.get("Health") or {}
    status = str(found.get("Status", "")).removeprefix("none")
    failed = [str(entry.get("Output", "")).strip() for entry in found.get("Log") or () if entry.get("ExitCode")]
    return f"{status}: {failed[-1][:300]}" if status == "unhealthy" and failed else status


def remove(client: docker.DockerClient, container: str) -> None:
    """Remove the container, running or not, as far as the engine can be asked."""
    with contextlib.suppress(*REFUSED):  # `workbench clean` finds it by its label
        client.api.remove_container(container, force=True, v=True)


def when_running(action: Callable[[str], Any], container: str) -> None:
    """Do `action` to the container, unless its state makes it needless: it ended, is paused, or not paused, already."""
    try:
        action(container)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if not _is_about_state(str(error)):
            raise


def _is_about_state(text: str) -> bool:
    return any(word in text for word in ("is not running", "is already paused", "is not paused", "Not Modified"))


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise what goes wrong with the engine inside as a DeploymentError that tells `what` was tried."""
    try:
        yield
    except docker.errors.APIError as error:
        raise DeploymentError(f"Docker Engine refused to {what}: {error.explanation or error}.") from error
    except REFUSED as error:
        raise DeploymentError(
            f"Docker Engine could not be asked to {what} ({error}). See that it runs (`docker version`); "
            "`workbench clean` removes what it still has of this."
        ) from error
