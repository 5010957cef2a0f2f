"""What ended by itself is started again, after a pause that grows while it keeps ending; and the account of it."""

from __future__ import annotations

from dataclasses import dataclass

BACKOFF_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before the first, second, ... restart without a healthy time between."""

HEALTHY_S = 10.0
"""An instance that lived this long has come up: its next restart is again the first."""


class BackOff:
    """How long to pause before each restart of one instance and of those that took its place; knows no clock."""

    def __init__(self, pauses_s: tuple[float, ...] = BACKOFF_S, healthy_s: float = HEALTHY_S) -> None:
        self._pauses_s = pauses_s
        self._healthy_s = healthy_s
        self._crashes = 0

    def pause_s(self, lived_s: float) -> float:
        """Seconds to wait before replacing an instance that ended after `lived_s` seconds (0: it never started)."""
        if lived_s >= self._healthy_s:
            self._crashes = 0
        pause = self._pauses_s[min(self._crashes, len(self._pauses_s) - 1)]
        self._crashes += 1
        return pause


@dataclass(frozen=True)
class Uptime:
    """One instance that lives: seconds since it was started, milliseconds from then until it was ready.

    `provisioned_ms` is None while it starts; `survivor` says that it was asked for, not started in another's place.
    """

    instance_id: str
    up_s: float
    provisioned_ms: float | None
    survivor: bool


@dataclass(frozen=True)
class Supervision:
    """What a supervisor has had to do since the deployment began: instances ended against its will, and restarts."""

    ended: int
    restarts: int
    instances: tuple[Uptime, ...]

    @property
    def survivors(self) -> int:
        """Instances that live and have never had to be replaced."""
        return sum(i.survivor for i in self.instances)
