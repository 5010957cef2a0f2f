"""Health checks: every instance is asked in turn, and one that does not answer several times is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from workbench.deployments.replica import Replica

EVERY_S = 2.0
WITHIN_S = 2.0
UNHEALTHY_AFTER = 3
AT_ONCE = 16


class HealthChecks:
    """Asks all of `ready()` at once every EVERY_S; calls `give_up` with one that failed UNHEALTHY_AFTER times."""

    def __init__(self, name: str, ready: Callable[[], list[Replica]], give_up: Callable[[Replica], None]) -> None:
        self._ready = ready
        self._give_up = give_up
        self._misses: dict[Replica, int] = {}
        self._asked: set[Replica] = set()
        self._stop = threading.Event()
        self._askers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"{name}-ask")
        self._thread = threading.Thread(target=self._run, name=f"{name}-health", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; returns at once, `close` waits."""
        self._stop.set()

    def close(self) -> None:
        """Wait for the checks under way: short once the instances have been ended."""
        self.stop()
        self._thread.join()
        self._askers.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            ready = self._ready()
            self._misses = {r: n for r, n in self._misses.items() if r in ready}
            for replica in ready:
                if replica not in self._asked:  # else its last check still waits, and the others do not wait for it
                    self._asked.add(replica)
                    self._askers.submit(self._check, replica)

    def _check(self, replica: Replica) -> None:
        try:
            if replica.healthy(WITHIN_S):
                self._misses.pop(replica, None)
                return
            misses = self._misses[replica] = self._misses.get(replica, 0) + 1
            if misses >= UNHEALTHY_AFTER and replica.wanted and not self._stop.is_set():
                self._misses.pop(replica, None)
                self._give_up(replica)
        finally:
            self._asked.discard(replica)
