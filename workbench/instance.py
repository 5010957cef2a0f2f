"""The life of one instance (AWS: execution environment): its states and the only moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from workbench.errors import InvalidTransition


class InstanceState(StrEnum):
    """Where an instance is in its life."""

    STARTING = "starting"  # its sandbox is made and its init runs
    BUSY = "busy"  # runs an invocation (or, as a long-running host, serves requests)
    IDLE = "idle"  # waits, thawed
    FROZEN = "frozen"  # waits, gets no CPU
    STOPPING = "stopping"  # told to end
    STOPPED = "stopped"  # gone, by our will
    FAILED = "failed"  # gone, against it


TRANSITIONS: dict[InstanceState, frozenset[InstanceState]] = {
    InstanceState.STARTING: frozenset({InstanceState.IDLE, InstanceState.STOPPING, InstanceState.FAILED}),
    InstanceState.IDLE: frozenset(
        {InstanceState.BUSY, InstanceState.FROZEN, InstanceState.STOPPING, InstanceState.FAILED}
    ),
    InstanceState.BUSY: frozenset({InstanceState.IDLE, InstanceState.STOPPING, InstanceState.FAILED}),
    InstanceState.FROZEN: frozenset({InstanceState.IDLE, InstanceState.STOPPING, InstanceState.FAILED}),
    InstanceState.STOPPING: frozenset({InstanceState.STOPPED, InstanceState.FAILED}),
    InstanceState.STOPPED: frozenset(),
    InstanceState.FAILED: frozenset(),
}


@dataclass(frozen=True)
class InstanceEvent:
    """One change of state at `at_s`, seconds on this machine's monotonic clock."""

    at_s: float
    instance_id: str
    state: InstanceState
    detail: str = ""


@dataclass(frozen=True)
class InstanceView:
    """An instance as a person may look at it now; usage is None where this machine cannot account for it.

    `overhead_bytes`: memory that its sandbox takes beside the instance's own; only a virtual machine knows it.
    """

    instance_id: str
    state: InstanceState
    sandbox: str
    started_s: float
    invocations: int = 0
    cpu_s: float | None = None
    peak_memory_bytes: int | None = None
    overhead_bytes: int | None = None


def check_transition(
    instance: str, source: InstanceState, target: InstanceState, history: tuple[str, ...] = ()
) -> None:
    """Raise InvalidTransition unless the table allows `source` → `target`."""
    if target not in TRANSITIONS[source]:
        raise InvalidTransition(instance, source, target, history)
