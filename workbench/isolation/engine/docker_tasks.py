"""A task of a Swarm service, which is one instance: what the engine says of it, and how that is said here."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.instance import TRANSITIONS, InstanceState

_ENDED_BY_ITSELF = frozenset({"complete", "failed", "rejected", "orphaned"})
_ENDED_AS_TOLD = frozenset({"shutdown", "remove"})


@dataclass(frozen=True)
class Task:
    """One task as it was when the engine was asked; `name` is its container's name and the instance's id."""

    name: str
    state: str
    told_to_end: bool
    container: str = ""
    pid: int = 0
    address: str = ""
    error: str = ""
    exit_code: int | None = None

    @property
    def instance_state(self) -> InstanceState:
        """Its state in the words of `workbench.instance`; the engine does not know of requests."""
        if self.state in _ENDED_BY_ITSELF:
            return InstanceState.FAILED
        if self.state in _ENDED_AS_TOLD:
            return InstanceState.STOPPED
        if self.told_to_end:
            return InstanceState.STOPPING
        return InstanceState.IDLE if self.state == "running" else InstanceState.STARTING

    @property
    def answered_all(self) -> bool:
        """Whether it was told to end and did so in good order: what it had begun it answered, the rest it never saw."""
        return self.told_to_end and self.state in _ENDED_AS_TOLD and self.exit_code == 0


def task(service: str, found: Mapping[str, Any], port: int) -> Task:
    """What the engine's API tells of a task of `service`, which publishes `port`."""
    status = found.get("Status") or {}
    container = status.get("ContainerStatus") or {}
    state = str(status.get("State", "new"))
    published = [
        one["PublishedPort"]
        for one in (status.get("PortStatus") or {}).get("Ports") or ()
        if one.get("TargetPort") == port and one.get("PublishedPort")
    ]
    ended = state in _ENDED_BY_ITSELF | _ENDED_AS_TOLD
    return Task(
        name=f"{service}.{found.get('Slot', 0)}.{found['ID']}",
        state=state,
        told_to_end=found.get("DesiredState") in _ENDED_AS_TOLD and state not in _ENDED_BY_ITSELF,
        container=str(container.get("ContainerID", "")),
        pid=int(container.get("PID", 0)),
        address=f"http://127.0.0.1:{published[0]}" if published else "",
        error=str(status.get("Err", "")),
        exit_code=int(container.get("ExitCode", 0)) if ended and container.get("ContainerID") else None,
    )


def moves(before: InstanceState | None, now: InstanceState) -> tuple[InstanceState, ...]:
    """The legal moves from the state seen last to the one seen now: what lay between was too quick to be seen."""
    if before is None:
        return InstanceState.STARTING, *moves(InstanceState.STARTING, now)
    if now is before:
        return ()
    if now in TRANSITIONS[before]:
        return (now,)
    if now is InstanceState.STOPPED and InstanceState.STOPPING in TRANSITIONS[before]:
        return InstanceState.STOPPING, now
    return ()  # old news: states only go forward


def ending(task: Task, *, oom_killed: bool, memory_mb: int) -> str:
    """How the instance ended, as a phrase after its name, in the words that other deployments use."""
    if task.told_to_end:
        return "was stopped"
    if oom_killed:
        return f"was ended by its memory limit of {memory_mb} MB (give it more memory_mb)"
    if "unhealthy" in task.error:
        return "was replaced because it did not answer its health check several times, says the engine"
    if task.state == "rejected" or not task.container:
        return f"could not be started by the engine ({task.error or task.state})"
    code = task.exit_code or 0
    if 128 < code < 192:
        return f"crashed: ended by signal {_signal_name(code - 128)}"
    return f"crashed: exited with code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
