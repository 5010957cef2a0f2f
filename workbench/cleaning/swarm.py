"""What a Docker Swarm has of a dead session: services, the networks they had, and the Swarm itself when made for them.

Services come before containers, which the engine would replace. A network that a service depends on cannot carry a
label; the one that configures it does, and has the service's name. A Swarm that was made here goes with its last
service, whoever made it: another session's services in it keep it.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.cleaning import engine
from workbench.cleaning.scope import LABEL, Leftover, Scope


def find_services(scope: Scope) -> Iterator[Leftover]:
    """Each service that may go, with its containers and networks."""
    with engine.reached() as client:
        if client is not None and client.info().get("Swarm", {}).get("ControlAvailable"):
            from workbench.isolation.engine import docker_service

            found = client.services.list(filters={"label": LABEL})
            yield from engine.taken(
                scope,
                found,
                lambda each: each.attrs["Spec"].get("Labels"),
                lambda each: docker_service.remove(client, each.name),
            )


def find_swarm(scope: Scope) -> Iterator[Leftover]:
    """The Swarm of a dead session, unless something runs in it; after services."""
    with engine.reached() as client:
        if client is None:
            return
        from workbench.isolation.engine import docker_swarm

        session = docker_swarm.is_made_here(client)
        if session and scope.takes(session) and not client.services.list():
            yield Leftover("the Swarm of this engine", lambda: engine.removed(client, docker_swarm.leave_unused))
