"""The clock that schedules go by: wall time, or simulated time that starts anywhere, runs at any speed and can stand.

Simulated time is piecewise linear in wall time. Setting it to another moment begins a new line: what was fired or
anchored on the old one no longer counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from workbench.errors import WorkbenchError

FASTEST = 366 * 86400.0
"""Simulated seconds in a second: a year."""


class InvalidClock(WorkbenchError):
    """A setting that a clock cannot have."""


@dataclass(frozen=True, slots=True)
class Piece:
    """From the wall time `wall_s` (seconds since the epoch) on, `at` plus `speed` times what has passed since."""

    wall_s: float
    at: datetime
    speed: float  # 0: it stands

    def read(self, wall_s: float) -> datetime:
        """The time that this piece says."""
        return self.at + timedelta(seconds=(wall_s - self.wall_s) * self.speed)


@dataclass(frozen=True, slots=True)
class Setting:
    """What somebody set: speed (simulated seconds in a second), whether it stands, and where it comes to stand."""

    simulated: bool = False
    speed: float = 1.0
    paused: bool = False
    until: datetime | None = None


class Clock:
    """Tells the time of schedules; `wall` gives seconds since the epoch."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.line = 0
        self._begin(Setting(), None)

    @property
    def setting(self) -> Setting:
        """How it goes now; it stands (`paused`) when it has come to `until`."""
        setting = self._setting
        if setting.until is not None and self.now() >= setting.until:
            return replace(setting, paused=True)
        return setting

    @property
    def began(self) -> datetime:
        """The first moment of this line."""
        return self._pieces[0].at

    def now(self) -> datetime:
        """The time."""
        return self.at(self._wall())

    def at(self, wall_s: float) -> datetime:
        """The time at a wall time since this line began; a simulated one's first moment for any earlier one."""
        pieces = [piece for piece in self._pieces if piece.wall_s <= wall_s]
        if not pieces:
            return self.began if self._setting.simulated else self._pieces[0].read(wall_s)
        found = pieces[-1].read(wall_s)
        until = self._setting.until
        return found if until is None or pieces[-1] is not self._pieces[-1] else min(found, until)

    def wall_s_until(self, moment: datetime) -> float:
        """How many seconds of wall time until `moment`; infinite if it never comes by itself."""
        setting = self.setting
        if moment <= self.now():
            return 0.0
        if setting.paused or (setting.until is not None and moment > setting.until):
            return float("inf")
        return (moment - self.now()).total_seconds() / setting.speed

    def set(
        self,
        *,
        at: datetime | None = None,
        speed: float | None = None,
        until: datetime | None = None,
        paused: bool = False,
    ) -> None:
        """Simulate, from now on; `at` begins a new line, without it the time goes on from what it is.

        It comes to stand at `until`. Raises InvalidClock.
        """
        speed = self._setting.speed if speed is None else speed
        if not 0 < speed <= FASTEST:
            raise InvalidClock(
                f"speed is how many simulated seconds pass in a second: more than 0, at most {FASTEST:,.0f}."
            )
        if until is not None and until < (at or self.now()):
            raise InvalidClock(f"until is {until.isoformat()}, which is over already; give a later time, or `at`.")
        setting = Setting(True, speed, paused, until)
        if at is None:
            self._go_on(setting)
        else:
            self._begin(setting, at)

    def pause(self) -> None:
        """Stand still. The clock is a simulated one from now on."""
        self._go_on(replace(self.setting, simulated=True, paused=True))

    def resume(self) -> None:
        """Go on from where it stands; beyond `until`, if that is where."""
        setting = self.setting
        until = setting.until if setting.until is not None and setting.until > self.now() else None
        self._go_on(replace(setting, paused=False, until=until))

    def go_on_from(self, setting: Setting, mark: datetime) -> datetime:
        """Go on as the clock of an earlier process did, which had come to `mark`; from when on ticks are still to fire.

        Simulated time stood still meanwhile. Wall time did not: only what belongs to the running minute is not over.
        """
        if not setting.simulated:
            return max(min(mark, self.began), self.began.replace(second=0, microsecond=0))
        until = setting.until if setting.until is not None and setting.until >= mark else None
        self.set(at=mark, speed=setting.speed, until=until, paused=setting.paused)
        return mark

    def be_real(self) -> None:
        """Show wall time again, on a new line."""
        self._begin(Setting(), None)

    def _begin(self, setting: Setting, at: datetime | None) -> None:
        wall_s = self._wall()
        at = at or datetime.fromtimestamp(wall_s, UTC)
        self._setting = setting
        self._pieces = [Piece(wall_s, at, 0.0 if setting.paused else setting.speed)]
        self.line += 1

    def _go_on(self, setting: Setting) -> None:
        wall_s = self._wall()
        self._pieces.append(Piece(wall_s, self.at(wall_s), 0.0 if setting.paused else setting.speed))
        self._setting = setting
