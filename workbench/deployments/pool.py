"""The instances of a deployment that live now, and which of them the next request goes to."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator

from workbench.deployments.replica import Replica
from workbench.errors import DeploymentError


class Pool:
    """A list of instances, safe to use from several threads, balanced over by least outstanding requests."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._replicas: list[Replica] = []
        self._turns = itertools.count(1)

    def add(self, replica: Replica) -> None:
        """Put it on the list."""
        with self.lock:
            self._replicas.append(replica)

    def take_out(self, replica: Replica) -> bool:
        """Take it off the list, so that it is the caller's to close; False when somebody else has done so."""
        with self.lock:
            if replica not in self._replicas:
                return False
            self._replicas.remove(replica)
            return True

    def all(self) -> list[Replica]:
        """Everything on the list: also what still starts, drains, or has just ended."""
        with self.lock:
            return list(self._replicas)

    def living(self) -> list[Replica]:
        """Those that count towards the wanted number: started or starting, and not told to end."""
        with self.lock:
            return [r for r in self._replicas if r.wanted and not r.is_gone]

    def ready(self) -> list[Replica]:
        """Those that get requests."""
        with self.lock:
            return [r for r in self._replicas if r.ready and r.wanted]

    def find(self, instance_id: str) -> Replica:
        """The instance of that name; raises DeploymentError when there is none."""
        for replica in self.all():
            if replica.id == instance_id:
                return replica
        raise DeploymentError(f"There is no instance {instance_id!r} now. instances() lists those that live.")

    @contextlib.contextmanager
    def lease(self, service: str) -> Iterator[Replica]:
        """The least busy instance, for one request; raises DeploymentError when none is ready."""
        with self.lock:
            ready = self.ready()
            if not ready:
                raise DeploymentError(f"No instance of {service} is ready. scale(1) starts one; logs() may say why.")
            # The least busy; among equals the one that has waited longest for its turn.
            replica = min(ready, key=lambda r: (r.outstanding, r.last_turn))
            replica.last_turn = next(self._turns)
            replica.outstanding += 1
        try:
            yield replica
        finally:
            with self.lock:
                replica.outstanding -= 1
