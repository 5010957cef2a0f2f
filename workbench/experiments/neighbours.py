"""A victim and its neighbour, deployed beside a deployment and the same way, and what is asked of them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.kernel_probes import look_below
from workbench.experiments.limits import LIMITED, memory_limit
from workbench.experiments.probes import Pair, Probe, look_around, process_limit, result_of, tmp_limit
from workbench.experiments.probing import ask, probe_beside, probe_service
from workbench.service import Resources


@contextlib.contextmanager
def neighbours(deployment: Deployment, resources: Resources) -> Iterator[Pair]:
    """A victim and a neighbour who hides a secret, both with these limits; both are gone afterwards."""
    secret = f"secret-{secrets.token_hex(16)}"
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(probe_beside(deployment, "victim", resources))
        # The neighbour is deployed beside the victim, as one tenant beside another.
        neighbour = victim.beside(probe_service("neighbour", resources, PROBE_SECRET=secret))
        stack.callback(neighbour.close)
        planted = ask(neighbour, "plant", secret=secret)
        stack.callback(_forget, neighbour)
        yield Pair(victim, neighbour, secret, planted, ask(victim, "whoami"))


def probe_all(deployment: Deployment, pair: Pair) -> list[Probe]:
    """Every probe: of the neighbour, of the machine, and of the limits of a small instance of its own."""
    return [*look_around(pair), *look_below(pair), *_limits(deployment)]


def _forget(neighbour: Deployment) -> None:
    # Where nothing boxes the neighbour in, its file lies on this machine. If it cannot answer, its own /tmp is gone.
    with contextlib.suppress(WorkbenchError):
        ask(neighbour, "forget")


def _limits(deployment: Deployment) -> list[Probe]:
    with probe_beside(deployment, "limits", LIMITED) as probe:
        found = [
            result_of("process limit", "Is the number of its processes limited?", lambda: process_limit(probe)),
            result_of("tmp limit", "Is the space of its /tmp limited?", lambda: tmp_limit(probe)),
        ]
        memory = memory_limit(probe)
    return [Probe("memory limit", "Does its memory limit hold?", memory.held, memory.observed), *found]
