"""What happened to a deployment's instances, recorded as it happens and checked against the legal transitions."""

from __future__ import annotations

import threading
import time

from workbench.instance import InstanceEvent, InstanceState, check_transition


class History:
    """State changes of all instances of one deployment, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[InstanceEvent] = []
        self._states: dict[str, InstanceState] = {}

    def record(self, instance_id: str, state: InstanceState, detail: str = "") -> None:
        """Note that the instance is now in `state`; raises InvalidTransition for an impossible move."""
        with self._lock:
            before = self._states.get(instance_id)
            if before is not None:
                check_transition(instance_id, before, state, self._way(instance_id))
            self._states[instance_id] = state
            self._events.append(InstanceEvent(time.monotonic(), instance_id, state, detail))

    def state(self, instance_id: str) -> InstanceState:
        """The instance's state now."""
        with self._lock:
            return self._states[instance_id]

    def ended(self, instance_id: str) -> bool:
        """Whether the instance is gone, however it went."""
        return self.state(instance_id) in (InstanceState.STOPPED, InstanceState.FAILED)

    def events(self) -> tuple[InstanceEvent, ...]:
        """Everything so far."""
        with self._lock:
            return tuple(self._events)

    def _way(self, instance_id: str) -> tuple[str, ...]:
        return tuple(e.state for e in self._events if e.instance_id == instance_id)
