"""Sending a load: in the background as a handle, or to its end; and the closed loop, to show what it hides."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.handle import Load, Progress
from workbench.load.result import LoadResult
from workbench.load.schedule import Schedule
from workbench.load.spec import DEFAULT_MAX_CONNECTIONS, ClosedSpec, LoadSpec


class LoadInterrupted(KeyboardInterrupt):
    """Ctrl-C during a load; `result` is what there was by then, `complete` False."""

    def __init__(self, result: LoadResult) -> None:
        super().__init__(f"interrupted; {len(result.status)} requests kept")
        self.result = result


def start_load(
    targets: Sequence[Target],
    schedule: Schedule,
    *,
    timeout_s: float = 30.0,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
    allow_remote: bool = False,
    warmup_s: float = 0.0,
    warmup_requests: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Load:
    """Begin a load on `targets` and return its handle at once; it starts to send a moment later (`Load.started_s`).

    What is due in the first `warmup_s` seconds of the schedule, or is of its first `warmup_requests`, whichever is
    more, is sent as the rest is, and reported apart (LoadResult.warmup).
    """
    planned = schedule.planned_s
    warmup = max(bisect_left(planned, warmup_s), warmup_requests)
    spec = LoadSpec(tuple(targets), planned, timeout_s, max_connections, allow_remote, warmup)
    return Load(spec, progress)


def run_load(
    targets: Sequence[Target],
    schedule: Schedule,
    *,
    timeout_s: float = 30.0,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
    allow_remote: bool = False,
    warmup_s: float = 0.0,
    warmup_requests: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> LoadResult:
    """Send `schedule` to `targets` from a process of its own and wait for the result.

    Each request goes to the target with the fewest outstanding; warm-up as in `start_load`. Raises WorkbenchError when
    the load is out of bounds, leaves this machine unconfirmed, or its generator fails. Interrupted, it stops sending
    and raises LoadInterrupted.
    """
    load = start_load(
        targets,
        schedule,
        timeout_s=timeout_s,
        max_connections=max_connections,
        allow_remote=allow_remote,
        warmup_s=warmup_s,
        warmup_requests=warmup_requests,
        progress=progress,
    )
    return _wait(load)


def run_closed(
    targets: Sequence[Target],
    *,
    clients: int,
    duration_s: float,
    timeout_s: float = 30.0,
    allow_remote: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> LoadResult:
    """Send as a naive tool does, for `duration_s` seconds, to show what it hides: latency from the real send time.

    Each of `clients` sends, waits for the answer, sends again. Not a measurement of what users meet: see closed_loop.
    Raises WorkbenchError and LoadInterrupted as `run_load` does. The result has `loop` "closed".
    """
    return _wait(Load(ClosedSpec(tuple(targets), clients, duration_s, timeout_s, allow_remote), progress))


def _wait(load: Load) -> LoadResult:
    with load:
        try:
            return load.result()
        except KeyboardInterrupt as interrupt:
            try:
                raise LoadInterrupted(load.cancel()) from interrupt
            except WorkbenchError:  # it was stopped before it had begun: there is nothing to keep
                raise interrupt from None
