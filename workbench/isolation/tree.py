"""The processes of one instance where no cgroup holds them: found by parent, group and the environment they carry."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil

from workbench.sandbox import Usage
from workbench.session import VARIABLE, session_id


class ProcessTree:
    """The process `root`, leader of its own session, and what it started."""

    def __init__(self, root: int, instance: str) -> None:
        self.root = root
        self._instance = instance
        self._peak_bytes = 0
        self._cpu_s = 0.0

    def members(self) -> list[psutil.Process]:
        """The living processes of the tree, root first; empty when it is gone."""
        try:
            root = psutil.Process(self.root)
            if root.status() == psutil.STATUS_ZOMBIE:
                return []
            return [root, *root.children(recursive=True)] if self._has_children() else [root]
        except psutil.NoSuchProcess:
            return []

    def resident_bytes(self) -> int:
        """Resident memory of all members now, in bytes."""
        total = 0
        for member in self.members():
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue
        self._peak_bytes = max(self._peak_bytes, total)
        return total

    def usage(self) -> Usage:
        """CPU seconds and peak resident memory as far as it was looked at; neither ever decreases."""
        self.resident_bytes()
        cpu_s = 0.0
        for member in self.members():
            try:
                times = member.cpu_times()
            except psutil.Error:
                continue
            cpu_s += times.user + times.system
            if member.pid == self.root:  # children that ended and were waited for
                cpu_s += times.children_user + times.children_system
        self._cpu_s = max(self._cpu_s, cpu_s)
        return Usage(self._cpu_s, self._peak_bytes)

    def stop(self) -> None:
        """Take the CPU away from all members; returns when they have stopped."""
        seen: set[int] = set()
        while new := [member for member in self.members() if member.pid not in seen]:
            for member in new:  # again until nothing new: a process may have been started meanwhile
                seen.add(member.pid)
                _signal(member.pid, signal.SIGSTOP)
        for pid in seen:
            _wait_until_stopped(pid)

    def go_on(self) -> None:
        """Let all members run again."""
        for member in self.members():
            _signal(member.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Ask the root to end (SIGTERM)."""
        _signal(self.root, signal.SIGTERM)

    def kill(self) -> None:
        """End all members at once, also those that left the process group and were orphaned."""
        victims = [member.pid for member in self.members()]
        try:
            os.killpg(self.root, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        for pid in [*victims, *self._strays()]:
            _signal(pid, signal.SIGKILL)

    def _has_children(self) -> bool:
        # Linux tells in a few microseconds; elsewhere assume so, and look through all processes.
        try:
            tasks = os.listdir(f"/proc/{self.root}/task")
            for task in tasks:
                with open(f"/proc/{self.root}/task/{task}/children", encoding="ascii") as file:
                    if file.read(1):
                        return True
        except OSError:
            return True
        return False

    def _strays(self) -> Iterator[int]:
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except (psutil.Error, OSError):
                continue
            of_here = environment.get(VARIABLE) == session_id()  # another session may use the name, too
            if of_here and environment.get("WORKBENCH_INSTANCE") == self._instance and process.pid != os.getpid():
                yield process.pid


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _wait_until_stopped(pid: int) -> None:
    stopped = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    try:
        process = psutil.Process(pid)
        while process.status() not in stopped:
            os.sched_yield() if hasattr(os, "sched_yield") else None
    except psutil.NoSuchProcess:
        pass
