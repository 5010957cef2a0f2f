"""What holds one instance within its limits and accounts for it: its cgroup, else a look at its processes."""

from __future__ import annotations

import threading

from workbench.isolation.cgroups import Cgroup
from workbench.isolation.tree import ProcessTree
from workbench.isolation.watch import MemoryWatch
from workbench.sandbox import Usage
from workbench.service import Resources


class Limits:
    """The limits of the instance whose first process is `tree.root`; usable until and after its end."""

    def __init__(self, tree: ProcessTree, cgroup: Cgroup | None, resources: Resources) -> None:
        self._tree, self._cgroup = tree, cgroup
        self.held = cgroup.controllers if cgroup is not None else frozenset[str]()
        watched = "memory" not in self.held
        self._watch = MemoryWatch(tree, resources.memory_mb * 2**20) if watched else None
        self._last = Usage(0.0, 0)
        self._oom_killed = False
        self._ended = False
        self._lock = threading.RLock()

    def freeze(self) -> None:
        """Take the CPU away from all its processes; returns when they have stopped."""
        with self._lock:
            if self._ended:
                return
            if self._cgroup is not None and "freeze" in self.held:
                self._cgroup.freeze()
            else:
                self._tree.stop()

    def thaw(self) -> None:
        """Let them run again."""
        with self._lock:
            if self._ended:
                return
            if self._cgroup is not None and "freeze" in self.held:
                self._cgroup.thaw()
            else:
                self._tree.go_on()

    def usage(self) -> Usage:
        """CPU seconds and peak memory in bytes so far; after the end, what was last seen."""
        with self._lock:
            now = self._cgroup.usage() if self._cgroup is not None else None
            if now is None and not self._ended:
                now = self._tree.usage()
            if now is not None:
                peak = max(now.peak_memory_bytes, self._last.peak_memory_bytes)
                self._last = Usage(max(now.cpu_s, self._last.cpu_s), peak)
            return self._last

    def oom_killed(self) -> bool:
        """Whether the memory limit ended something."""
        with self._lock:
            if self._watch is not None:
                return self._watch.exceeded
            if self._cgroup is not None and not self._oom_killed:
                self._oom_killed = self._cgroup.oom_kills() > 0
            return self._oom_killed

    def terminate(self) -> None:
        """Ask its first process to end (SIGTERM)."""
        with self._lock:
            if not self._ended:
                self._tree.terminate()

    def end(self) -> None:
        """End every process; they are dead, but their parents may still have to wait for them."""
        with self._lock:
            if self._ended:
                return
            self.usage()
            if self._watch is not None:
                self._watch.end()
            if self._cgroup is not None:
                self._cgroup.kill()
            self._ended = True

    def remove(self) -> None:
        """`end`, note what was used, delete the cgroup."""
        with self._lock:
            self.end()
            self.oom_killed()
            self.usage()
            if self._cgroup is not None:
                self._cgroup.remove()
                self._cgroup = None
