"""How long a platform keeps an idle instance: found from outside, by waiting and calling again."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.experiments.bracket import Bracket, Try, bracket, next_gap, worst_s
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.shares import share_interval
from workbench.invocation import InvocationResult
from workbench.records import Measurement, Provenance

ROUNDS = 40
"""No probe takes more rounds, whatever a platform does."""

_TOLD_EVERY_S = 0.5


def keep_alive(
    deployment: Deployment,
    *,
    shortest_s: float = 1.0,
    longest_s: float = 900.0,
    resolution_s: float = 1.0,
    at_once: int = 3,
    within_s: float = 3600.0,
    payload: Any = None,
    progress: Progress | None = None,
) -> Measurement:
    """Find the idle expiry, in seconds, by bisection: call, wait, call again, and see whether the instance is new.

    Each gap is tried by `at_once` functions of their own at the same time (the deployment's service, deployed beside
    it), so that a platform which decides by chance is found out. A try is cold only when its answer says so *and* came
    from an instance never seen before, warm only when the same instance answered; any other is counted as unconfirmed.
    No gap is begun that could not end within `within_s`; `progress` counts the seconds of the most that it may take.
    Raises DeploymentError on bounds out of order, what `invoke` raises, and Interrupted. Samples: idle times tried.
    Detail: low_s, high_s (None: never expired), varies (see Bracket), resolved, unconfirmed, at_once, bound_s, tries
    (in order: gap_s, idle_s, within_s, cold), by_gap (gap_s, cold, of, ci95).
    """
    if not (resolution_s > 0 and 0 < shortest_s < longest_s and at_once >= 1):
        raise DeploymentError(
            f"A keep-alive probe from {shortest_s:g} to {longest_s:g} s in steps of {resolution_s:g} s with {at_once} "
            "at once finds nothing. Choose a resolution above 0, a shortest gap below the longest, and at least one."
        )
    bound_s = min(within_s, worst_s(shortest_s, longest_s, resolution_s))
    tries: list[Try] = []
    resolved = False

    def so_far(complete: bool) -> Measurement:
        return _measurement(deployment, tries, at_once, bound_s, resolved, complete)

    with keeping(lambda: (so_far(False),)), _probes(deployment, at_once, payload) as probes:
        began = time.monotonic()
        for _ in range(ROUNDS):
            gap_s = next_gap(tries, shortest_s, longest_s, resolution_s)
            resolved = gap_s is None
            if gap_s is None or time.monotonic() - began + gap_s > within_s:
                break
            tries += _round(probes, gap_s, began, bound_s, progress or silent)
    (progress or silent)("keep-alive probe in seconds", math.ceil(bound_s), math.ceil(bound_s))
    return so_far(True)


class _Probe:
    """One function of its own, and the last call of it."""

    def __init__(self, deployment: Deployment, payload: Any, stop: threading.Event) -> None:
        self._deployment, self._payload, self._stop = deployment, payload, stop
        self._seen: set[str] = set()
        self._sent_s = self._answered_s = 0.0
        self._busy_until_s = 0.0  # the instance worked for us at least until then
        self._instance = ""

    def call(self) -> tuple[InvocationResult, bool]:
        """The answer, and whether its instance was never seen before."""
        self._sent_s = time.monotonic()
        result = self._deployment.invoke(self._payload)
        self._answered_s = time.monotonic()
        self._busy_until_s = self._sent_s + _own_s(result)
        new = result.instance_id not in self._seen
        self._seen.add(result.instance_id)
        self._instance = result.instance_id
        return result, new

    def attempt(self, gap_s: float) -> Try | None:
        """Wait for `gap_s` after the last answer and call again; None when stopped while waiting."""
        if not self._seen:
            self.call()
        if self._stop.wait(max(0.0, self._answered_s + gap_s - time.monotonic())):
            return None
        answered_before_s, busy_until_s, instance = self._answered_s, self._busy_until_s, self._instance
        result, new = self.call()
        cold = True if result.cold and new else False if not result.cold and result.instance_id == instance else None
        decided_s = self._answered_s - _own_s(result)
        idle_s = self._sent_s - answered_before_s
        return Try(gap_s, idle_s, max(idle_s, decided_s - busy_until_s), cold)


def _own_s(result: InvocationResult) -> float:
    """How long the service's own code ran for a call: after the platform chose an instance, before that one rested."""
    return ((result.phases.function_init_ms or 0.0) + (result.phases.handler_ms or 0.0)) / 1000


@contextlib.contextmanager
def _probes(deployment: Deployment, at_once: int, payload: Any) -> Iterator[tuple[ThreadPoolExecutor, list[_Probe]]]:
    stop = threading.Event()
    payload = {} if payload is None else payload
    with contextlib.ExitStack() as stack:
        beside = [stack.enter_context(deployment.beside(deployment.service)) for _ in range(at_once)]
        pool = stack.enter_context(ThreadPoolExecutor(at_once, thread_name_prefix="keep-alive"))
        stack.callback(stop.set)  # before the pool is waited for: a wait that nobody wants any more ends now
        yield pool, [_Probe(one, payload, stop) for one in beside]


def _round(
    probes: tuple[ThreadPoolExecutor, list[_Probe]], gap_s: float, began: float, bound_s: float, tell: Progress
) -> list[Try]:
    pool, each = probes
    waiting: list[Future[Try | None]] = [pool.submit(probe.attempt, gap_s) for probe in each]
    running = set(waiting)
    while running:
        done_s = min(time.monotonic() - began, bound_s)
        tell(f"keep-alive probe in seconds, now {gap_s:.3g}", int(done_s), math.ceil(bound_s))
        running = wait(running, _TOLD_EVERY_S).not_done
    found = [future.result() for future in waiting]
    return [one for one in found if one is not None]


def _by_gap(tries: Sequence[Try]) -> list[dict[str, Any]]:
    confirmed = [t for t in tries if t.cold is not None]
    rows = []
    for gap_s in sorted({t.gap_s for t in confirmed}):
        outcomes = [bool(t.cold) for t in confirmed if t.gap_s == gap_s]
        cold, of = sum(outcomes), len(outcomes)
        rows.append({"gap_s": gap_s, "cold": cold, "of": of, "ci95": list(share_interval(cold, of))})
    return rows


def _measurement(
    deployment: Deployment, tries: Sequence[Try], at_once: int, bound_s: float, resolved: bool, complete: bool
) -> Measurement:
    found: Bracket = bracket(tries)
    how = (
        f"{len(tries)} waits between two calls of {at_once} functions; cold where a new instance said that it started "
        "for the call, warm where the same one answered; idle at least from answer to call, at most from the first "
        "call to the second answer, less the time of the service's own code"
    )
    detail = {
        "low_s": found.low_s,
        "high_s": found.high_s,
        "varies": found.varies,
        "resolved": resolved,
        "unconfirmed": sum(t.cold is None for t in tries),
        "at_once": at_once,
        "bound_s": bound_s,
        "tries": [[t.gap_s, t.idle_s, t.within_s, t.cold] for t in tries],
        "by_gap": _by_gap(tries),
    }
    return Measurement(
        "keep_alive",
        deployment.pattern,
        deployment.sandbox,
        "s",
        tuple(t.idle_s for t in tries),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
