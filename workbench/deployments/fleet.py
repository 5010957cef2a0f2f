"""Starting, stopping, watching and restarting instances, so that as many live as are wanted."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

from workbench.deployments.health import UNHEALTHY_AFTER, HealthChecks
from workbench.deployments.history import History
from workbench.deployments.instance_log import InstanceLogs
from workbench.deployments.pool import Pool
from workbench.deployments.replica import READY_WITHIN_S, Replica, Version
from workbench.deployments.rollout import Pace, next_step
from workbench.deployments.supervision import BackOff, Supervision, Uptime
from workbench.deployments.watching import Watcher
from workbench.errors import DeploymentError, WorkbenchError
from workbench.instance import InstanceState
from workbench.sandbox import Launcher

DRAIN_S = 10.0
"""How long an instance that is told to end may take to answer what it has; Docker's `stop` waits as long."""

_T = TypeVar("_T")

AT_ONCE = 8  # starts, or ends, at the same time


class Fleet:
    """The instances of one deployment; `pool` is those that live, `history` what happened, `logs` what they printed."""

    def __init__(self, name: str, version: Version, launch: Launcher) -> None:
        self.pool = Pool()
        self.history = History()
        self.logs = InstanceLogs(name)
        self.version = version
        self._rolling: Version | None = None  # what an update under way brings
        self._name = name
        self._launch = launch
        self._operation = threading.RLock()  # one change of number or version at a time
        self._closed = threading.Event()
        self._numbers = itertools.count(1)
        self._restarting: list[threading.Thread] = []
        self._ended_against_will = 0
        self._restarts = 0
        self._watcher = Watcher(name, self._ended)
        self._health = HealthChecks(name, self.pool.ready, self._give_up)

    def scale(self, n: int) -> None:
        """Start or stop instances until `n` are ready; returns then. Those that go are drained."""
        with self._operation:
            with self.pool.lock:
                before, self.pool.wanted = self.pool.wanted, n
                living = sorted(self.pool.living(), key=lambda r: not r.ready)  # stable: the newest go first
                missing = self.pool.claim(n)
            self.stop(living[n:], "scaled down")
            try:
                self._start_claimed(missing, self.version, "scaled up")
            except BaseException:
                self.pool.wanted = max(before, len(self.pool.living())) if before < n else n
                raise
            self._wait_for_others()

    def start_beyond(self) -> Replica:
        """Start one more than are wanted."""
        self.pool.claim(1, beyond=True)
        return _at_once([lambda: self._start(self.version, "asked for beside the others")])[0]

    def update(self, version: Version, pace: Pace, within_s: float) -> None:
        """Replace all instances by those of `version`, step by step; on failure put back what was, and raise."""
        with self._operation:
            before, wanted = self.pool.wanted, max(1, self.pool.wanted)
            self._rolling = version
            try:
                self._roll(version, wanted, pace, within_s)
            except BaseException:
                self._roll_back(version, before)
                raise
            with self.pool.lock:
                self.version, self._rolling = version, None
                self.pool.wanted = wanted
                outdated = [r for r in self.pool.living() if r.version is not version]
            self.stop(outdated, "replaced by the update")

    def stop(self, replicas: Sequence[Replica], why: str, drain_s: float = DRAIN_S) -> None:
        """Let no more requests go to them, wait until those under way are answered, end them."""
        for replica in replicas:
            self.pool.retire(replica)
        deadline = time.monotonic() + drain_s
        _at_once([functools.partial(self._drain_and_remove, replica, why, deadline) for replica in replicas])

    def supervision(self) -> Supervision:
        """The account of ends and restarts, and of what lives."""
        now = time.monotonic()
        with self.pool.lock:
            living = self.pool.living()
            uptimes = [Uptime(r.id, now - r.started_s, r.provisioned_ms, not r.is_replacement) for r in living]
            return Supervision(self._ended_against_will, self._restarts, tuple(uptimes))

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed.is_set()

    def close(self) -> None:
        """End all instances and threads, then raise DeploymentError if what an instance had could not be removed."""
        with self.pool.lock:
            if self._closed.is_set():
                return
            self._closed.set()
            self.pool.wanted = 0
            replicas = self.pool.all()
        self._health.stop()
        try:
            self.stop(replicas, "the deployment was closed", drain_s=0.0)
        finally:
            self._health.close()
            self._watcher.close()
            for restarting in self._restarting:
                restarting.join()
            self.logs.close()

    # Starting

    def _start_claimed(self, count: int, version: Version, why: str, within_s: float = READY_WITHIN_S) -> None:
        _at_once([lambda: self._start(version, why, within_s=within_s)] * count)

    def _start(
        self, version: Version, why: str, *, back_off: BackOff | None = None, within_s: float = READY_WITHIN_S
    ) -> Replica:
        """Start an instance that has been claimed; returns when it is ready."""
        name = f"{self._name}-{next(self._numbers)}"
        try:
            self._refuse_when_closed()
            self.history.record(name, InstanceState.STARTING, why)
            try:
                replica = Replica(name, version, self._launch, self.logs.open(name), back_off)
            except BaseException as error:
                self.history.record(name, InstanceState.FAILED, str(error))
                raise
        except BaseException:
            self.pool.unclaim()
            raise
        self._take_in(replica)
        try:
            replica.wait_ready(within_s)
            self._let_serve(replica)
        except BaseException as error:
            self.pool.retire(replica)
            self._remove(replica, InstanceState.FAILED, (str(error) or type(error).__name__).splitlines()[0])
            raise
        return replica

    def _take_in(self, replica: Replica) -> None:
        with self.pool.lock:
            late = self._closed.is_set() or replica.version not in (self.version, self._rolling)
            if late:  # closed, or updated, while its sandbox was made
                self.pool.unclaim()
            else:
                self.pool.add(replica)
                self._watcher.add(replica)
        if late:
            replica.close()
            self.history.record(replica.id, InstanceState.FAILED, "not wanted any more")
            self._refuse_when_closed()
            raise DeploymentError(f"Instance {replica.id} is of a version that is not deployed any more.")

    def _let_serve(self, replica: Replica) -> None:
        with self.pool.lock:
            serves = replica.wanted and not replica.is_gone
            if serves:
                replica.take_requests()
                self.history.record(replica.id, InstanceState.IDLE, f"ready after {replica.provisioned_ms:.0f} ms")
        if not serves:
            raise DeploymentError(f"Instance {replica.id} {replica.ending()} just when it was ready.")

    def _wait_for_others(self) -> None:
        """Until what a supervisor has begun to start is ready, or not to be."""
        while self.pool.launching and not self._closed.is_set():
            time.sleep(0.01)
        for replica in self.pool.living():
            with contextlib.suppress(WorkbenchError):
                replica.wait_ready()

    def _refuse_when_closed(self) -> None:
        if self._closed.is_set():
            raise DeploymentError("This deployment is closed. Deploy the service again.")

    # Stopping

    def _drain_and_remove(self, replica: Replica, why: str, deadline: float) -> None:
        with self.pool.lock:
            if replica not in self.pool.all():  # it ended by itself, and somebody else has seen to it
                return
            self.history.record(replica.id, InstanceState.STOPPING, why)
        while replica.outstanding and time.monotonic() < deadline:
            time.sleep(0.005)
        cut_off = replica.outstanding
        if replica.ready and time.monotonic() < deadline:
            # Requests sent straight to its address are known to it alone.
            with contextlib.suppress(WorkbenchError):
                replica.terminate()
                replica.wait_gone(deadline - time.monotonic())
        self._remove(replica, InstanceState.STOPPED, f"{cut_off} requests were cut off" if cut_off else "")

    def _remove(self, replica: Replica, end: InstanceState, detail: str = "") -> None:
        if not self.pool.take_out(replica):
            return
        try:
            self._dispose(replica)
        except WorkbenchError as error:
            self.history.record(replica.id, InstanceState.FAILED, f"what it had could not be removed: {error}")
            raise
        self.history.record(replica.id, end, detail)

    def _dispose(self, replica: Replica) -> None:
        self._watcher.remove(replica)
        try:
            replica.close()
        finally:
            self.logs.end(replica.id)

    # Supervising

    def _give_up(self, replica: Replica) -> None:
        reason = f"was replaced because it did not answer its health check {UNHEALTHY_AFTER} times"
        replica.append_log(f"[workbench] this instance {reason}\n".encode())
        with contextlib.suppress(WorkbenchError):  # an engine that does not answer: the next checks try again
            replica.end_because(reason)

    def _ended(self, replica: Replica) -> None:
        with self.pool.lock:
            to_restart = replica.ready and replica.wanted and not self._closed.is_set()
            replica.gone()
            if to_restart:
                # Not in the watcher's thread, which the new instance needs to become ready.
                restarting = threading.Thread(target=self._restart, args=(replica,), daemon=True)
                self._restarting = [t for t in self._restarting if t.is_alive()] + [restarting]
                restarting.start()

    def _restart(self, ended: Replica) -> None:
        if not self.pool.take_out(ended):
            return
        how = ended.ending()  # before anything else: an engine forgets
        with self.pool.lock:
            self._ended_against_will += 1
        self.history.record(ended.id, InstanceState.FAILED, how)
        lived_s = time.monotonic() - ended.started_s
        try:
            while True:
                pause_s = ended.back_off.pause_s(lived_s)
                if pause_s:
                    self._dispose_quietly(ended)
                if self._closed.wait(pause_s) or not self.pool.claim():
                    return
                with contextlib.suppress(WorkbenchError):  # the history has the reason
                    version = ended.version if ended.version is self._rolling else self.version
                    self._start(version, f"in place of {ended.id}, which {how}", back_off=ended.back_off)
                    with self.pool.lock:
                        self._restarts += 1
                    return
                lived_s = 0.0
        finally:
            # Last where there is no pause: removing what is left takes an engine longer than starting another.
            self._dispose_quietly(ended)

    def _dispose_quietly(self, replica: Replica) -> None:
        with contextlib.suppress(WorkbenchError):  # `workbench clean` finds what could not be removed
            self._dispose(replica)

    # Updating

    def _roll(self, version: Version, wanted: int, pace: Pace, within_s: float) -> None:
        started = 0
        while True:
            living = self.pool.living()
            new = [r for r in living if r.version is version and r.ready]
            old = sorted((r for r in living if r.version is not version), key=lambda r: r.ready)
            step = next_step(wanted, len(old), len(new), pace)
            if step is None:
                return
            self.stop(old[: step.stop], "replaced by the update")
            started += step.start
            if started > 3 * wanted:
                raise DeploymentError(
                    f"Instances of the new version of {version.service.name} become ready but do not stay so. "
                    "events() says how they ended."
                )
            self.pool.claim(step.start, beyond=True)
            self._start_claimed(step.start, version, "started by the update", within_s)

    def _roll_back(self, failed: Version, number: int) -> None:
        with self.pool.lock:
            self._rolling = None
            self.pool.wanted = number
            new = [r for r in self.pool.all() if r.version is failed]
            old = [r for r in self.pool.living() if r.version is not failed]
            missing = max(0, number - len(old))
            self.pool.claim(missing, beyond=True)
        try:  # first those that were there, so that somebody always answers
            self._start_claimed(missing, self.version, "put back: the update failed")
        finally:
            self.stop(new, "the update failed")


def _at_once(actions: Sequence[Callable[[], _T]]) -> list[_T]:
    """Do all of them, some at the same time, and give what they returned; raise the first error when all are over.

    In threads of their own, also where there is one: an instance that is half started or half removed when Ctrl-C comes
    would be nobody's. So Ctrl-C comes through when the actions are over; a second one does at once.
    """
    if not actions:
        return []
    with ThreadPoolExecutor(min(len(actions), AT_ONCE)) as threads:
        done = [threads.submit(action) for action in actions]
        try:
            wait(done)
        except KeyboardInterrupt:
            wait(done)
            raise
    return [one.result() for one in done]
