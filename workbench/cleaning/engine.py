"""What Docker Engine has with a dead session's label: containers in any state, networks, images."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from workbench import capabilities
from workbench.cleaning.scope import LABEL, Leftover, Scope


class Unreachable(Exception):
    """There is an engine on this machine, and it does not answer: what it has could not be looked at."""


def find_containers(scope: Scope) -> Iterator[Leftover]:
    """Each container that may go, also a paused or an exited one, with its anonymous volumes."""
    with reached() as client:
        if client is not None:
            found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
            yield from taken(scope, found, lambda each: each.labels, _remove_container)


def find_networks(scope: Scope) -> Iterator[Leftover]:
    """Each network that may go; after the containers that it connects."""
    with reached() as client:
        if client is not None:
            found = client.networks.list(filters={"label": LABEL})
            yield from taken(
                scope, found, lambda each: each.attrs.get("Labels"), lambda each: _remove_network(client, each)
            )


def find_images(scope: Scope) -> Iterator[Leftover]:
    """Each image that was made for one session, with its tags; after the containers that ran it."""
    with reached() as client:
        if client is not None:
            found = [_Image(one) for one in client.api.images(all=True, filters={"label": LABEL})]
            yield from taken(
                scope, found, lambda each: each.labels, lambda each: client.images.remove(each.id, force=True)
            )


def _remove_container(container: Any) -> None:
    if container.status == "paused":  # under gVisor it takes no signal then, and the engine would wait for it
        container.unpause()
    container.remove(force=True, v=True)


def _remove_network(client: Any, network: Any) -> None:
    depends_on = (network.attrs.get("ConfigFrom") or {}).get("Network", "")
    if depends_on or network.attrs.get("ConfigOnly"):  # the two of a Swarm service
        from workbench.isolation.engine import docker_service

        docker_service.remove_networks(client, depends_on or network.name)
    else:
        network.remove()


class _Image:
    """An image as the engine lists it; docker-py's own list asks for each again, and one may have gone meanwhile."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.id = str(found["Id"])
        self.labels: dict[str, str] = found.get("Labels") or {}
        self.tags: list[str] = found.get("RepoTags") or []
        self.short_id = self.id.removeprefix("sha256:")[:12]


def taken(
    scope: Scope, things: list[Any], labels: Callable[[Any], Any], remove: Callable[[Any], Any]
) -> Iterator[Leftover]:
    """What of `things` the scope takes, as leftovers that `remove` removes."""
    for thing in things:
        name = str(getattr(thing, "name", None) or ", ".join(getattr(thing, "tags", ())) or thing.short_id)
        if scope.takes_instance((labels(thing) or {}).get(LABEL, ""), name):
            yield Leftover(name, lambda thing=thing: removed(thing, remove))  # type: ignore[misc]


def removed(thing: Any, remove: Callable[[Any], Any]) -> bool:
    """Remove the thing and say whether that did it; raises OSError with the engine's reason."""
    import docker.errors

    try:
        remove(thing)
    except docker.errors.NotFound:
        return False
    except docker.errors.APIError as error:
        if "already in progress" in str(error):  # another clean-up is at it
            return False
        raise OSError(f"Docker Engine refuses: {error.explanation or error}") from error
    return True


@contextlib.contextmanager
def reached() -> Iterator[Any]:
    """A client of the engine, None on a machine that has none; raises Unreachable."""
    found = capabilities.docker()
    if not found:
        if os.environ.get("DOCKER_HOST") or shutil.which("docker") or shutil.which("dockerd"):
            raise Unreachable(found.detail)
        yield None
        return
    import docker
    import docker.errors
    import requests.exceptions

    try:  # also where it has gone since it was found
        with contextlib.closing(docker.from_env(timeout=30)) as client:
            yield client
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise Unreachable(str(error)) from error
