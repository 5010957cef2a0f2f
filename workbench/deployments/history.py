"""What happened to a deployment's instances, recorded as it happens and checked against the legal transitions."""

from __future__ import annotations

import threading
import time
from collections import deque

from workbench.instance import TRANSITIONS, InstanceEvent, InstanceState, check_transition

KEPT_EVENTS = 50_000
"""The latest changes; older ones are forgotten, so that what crashes for days does not fill the memory."""

KEPT_ENDED = 5_000
"""Instances that have ended and whose last state is still known."""

_ENDED = (InstanceState.STOPPED, InstanceState.FAILED)


class History:
    """The latest state changes of one deployment's instances, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: deque[InstanceEvent] = deque(maxlen=KEPT_EVENTS)
        self._ended: deque[str] = deque()
        self._states: dict[str, InstanceState] = {}

    def record(self, instance_id: str, state: InstanceState, detail: str = "") -> None:
        """Note that the instance is now in `state`; raises InvalidTransition for an impossible move."""
        with self._lock:
            before = self._states.get(instance_id)
            if before is not None and state not in TRANSITIONS[before]:
                check_transition(instance_id, before, state, self._way(instance_id))
            self._states[instance_id] = state
            self._events.append(InstanceEvent(time.monotonic(), instance_id, state, detail))
            if state in _ENDED:
                self._ended.append(instance_id)
                if len(self._ended) > KEPT_ENDED:
                    del self._states[self._ended.popleft()]

    def state(self, instance_id: str) -> InstanceState:
        """The instance's state now."""
        with self._lock:
            return self._states[instance_id]

    def ended(self, instance_id: str) -> bool:
        """Whether the instance is gone, however it went."""
        return self.state(instance_id) in _ENDED

    def events(self) -> tuple[InstanceEvent, ...]:
        """Everything so far."""
        with self._lock:
            return tuple(self._events)

    def _way(self, instance_id: str) -> tuple[str, ...]:
        return tuple(e.state for e in self._events if e.instance_id == instance_id)
