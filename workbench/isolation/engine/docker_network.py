"""A network of its own for each container: on the engine's common one, and within any one network, all reach all.

An engine that may change the packet filter keeps its networks apart with rules. One that may not still has no way from
one network to another while the machine forwards nothing between its interfaces; only that can be asked of the engine,
so only that is claimed (`apart`). The networks' addresses are of 198.18.0.0/15, which is set aside for measuring
(RFC 2544), eight to each: of the engine's own pools there are some thirty networks only.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import random

import docker
import docker.errors

from workbench.errors import DeploymentError
from workbench.isolation.engine import docker_engine
from workbench.session import session_id

_POOL = ipaddress.ip_network("198.18.0.0/15")
_SIZE = 8  # network, gateway, container, broadcast, and some to spare
_TRIES = 20


def create(client: docker.DockerClient, name: str) -> str:
    """The id of a new network `name`; raises docker's errors, and DeploymentError when no addresses are free."""
    for _ in range(_TRIES):
        first = _POOL[random.randrange(_POOL.num_addresses // _SIZE) * _SIZE]
        pool = docker.types.IPAMPool(subnet=f"{first}/29")
        try:
            made = client.api.create_network(
                name,
                driver="bridge",
                ipam=docker.types.IPAMConfig(pool_configs=[pool]),
                labels={"workbench": "1", "workbench.session": session_id()},
            )
        except docker.errors.APIError as error:
            if "overlap" not in str(error):  # else another has these addresses
                raise
        else:
            return str(made["Id"])
    raise DeploymentError(
        f"Docker Engine has no addresses left for the network of {name}. `workbench clean` removes abandoned networks."
    )


def remove(client: docker.DockerClient, network: str) -> None:
    """Remove the network, as far as the engine can be asked."""
    if network:
        with contextlib.suppress(*docker_engine.REFUSED):  # `workbench clean` finds it by its label
            client.api.remove_network(network)


@functools.cache
def apart(client: docker.DockerClient) -> bool:
    """Whether there surely is no way from one network to another: the machine of the engine forwards nothing."""
    try:
        return client.api.info().get("IPv4Forwarding") is False
    except docker_engine.REFUSED:
        return False
