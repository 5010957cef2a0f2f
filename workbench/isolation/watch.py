"""A memory limit where there is no cgroup: one thread looks at the resident memory of every watched instance.

It looks every 50 ms, so a quick allocation passes the limit for that long before it is ended. That is honest for a
lesson and a guard for the machine, not a wall.
"""

from __future__ import annotations

import threading
import weakref

from workbench.isolation.tree import ProcessTree

INTERVAL_S = 0.05


class MemoryWatch:
    """Ends `tree` when its members together hold more than `limit_bytes` of resident memory."""

    def __init__(self, tree: ProcessTree, limit_bytes: int) -> None:
        self.exceeded = False
        self._tree, self._limit = tree, limit_bytes
        _watcher.add(self)

    def look(self) -> None:
        """Look once."""
        if not self.exceeded and self._tree.resident_bytes() > self._limit:
            self.exceeded = True
            self._tree.kill()

    def end(self) -> None:
        """Stop watching; the process may now be waited for and its number be used again."""
        _watcher.remove(self)


class _Watcher:
    def __init__(self) -> None:
        self._watches: weakref.WeakSet[MemoryWatch] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def add(self, watch: MemoryWatch) -> None:
        with self._lock:
            self._watches.add(watch)
            if self._thread is None or not self._thread.is_alive():  # is_alive: not so after a fork
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._stop,), name="memory-watch", daemon=True)
                self._thread.start()

    def remove(self, watch: MemoryWatch) -> None:
        with self._lock:
            self._watches.discard(watch)
            if not self._watches:
                self._stop.set()
                self._thread = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(INTERVAL_S):
            with self._lock:  # so that none is looked at after its `end`
                for watch in list(self._watches):
                    watch.look()


_watcher = _Watcher()
