"""The instances of a deployment that live now, how many there should be, and which the next request goes to."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

from workbench.deployments.replica import Replica
from workbench.errors import DeploymentError


class Pool:
    """A list of instances, safe to use from several threads, balanced over by least outstanding requests.

    `wanted` is the number asked for. Whoever is about to start an instance says so first (`claim`), so that a person
    who scales and a supervisor who restarts do not both fill the same place.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.wanted = 0
        self._launching = 0
        self._replicas: list[Replica] = []
        self._turns = itertools.count(1)
        self._in_flight = 0
        self._in_flight_s = 0.0
        self._changed_s = time.monotonic()

    def claim(self, most: int = 1, *, beyond: bool = False) -> int:
        """Announce the start of up to `most` instances, unless `beyond` no more than are missing; returns how many."""
        with self.lock:
            missing = self.wanted - len(self.living()) - self._launching
            count = most if beyond else max(0, min(most, missing))
            self._launching += count
            return count

    def unclaim(self) -> None:
        """An announced instance did not come to be."""
        with self.lock:
            self._launching -= 1

    @property
    def launching(self) -> int:
        """Instances announced that are not on the list yet."""
        return self._launching

    def add(self, replica: Replica) -> None:
        """Put an announced instance on the list."""
        with self.lock:
            self._launching -= 1
            self._replicas.append(replica)

    def take_out(self, replica: Replica) -> bool:
        """Take it off the list, so that it is the caller's to close; False when somebody else has done so."""
        with self.lock:
            if replica not in self._replicas:
                return False
            self._replicas.remove(replica)
            return True

    def retire(self, replica: Replica) -> None:
        """Let no new request go to it, and do not replace it."""
        with self.lock:  # so that a request that was just given to it is counted by now
            replica.wanted = False

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
        with contextlib.ExitStack() as until_answered:
            with self.lock:  # until it is counted, so that it is not taken for idle and stopped
                ready = self.ready()
                if not ready:
                    raise DeploymentError(
                        f"No instance of {service} is ready. scale(1) starts one; logs() may say why."
                    )
                # The least busy; among equals the one that has waited longest for its turn.
                replica = min(ready, key=lambda r: (r.outstanding, r.last_turn))
                replica.last_turn = next(self._turns)
                until_answered.enter_context(self.held(replica))
            yield replica

    @contextlib.contextmanager
    def held(self, replica: Replica) -> Iterator[None]:
        """Count a request that is under way on this instance."""
        with self.lock:
            replica.outstanding += 1
            self._count(1)
        try:
            yield
        finally:
            with self.lock:
                replica.outstanding -= 1
                self._count(-1)

    def in_flight_s(self) -> float:
        """Requests in flight, summed over time since the beginning (request-seconds): its growth is their mean."""
        with self.lock:
            self._count(0)
            return self._in_flight_s

    def _count(self, change: int) -> None:
        now = time.monotonic()
        self._in_flight_s += self._in_flight * (now - self._changed_s)
        self._in_flight += change
        self._changed_s = now
