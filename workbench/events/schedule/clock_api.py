"""The clock from outside, below `/_workbench/`, signed.

    GET clock             {"at", "simulated", "speed", "paused", "until", "fired_until", "next", "schedules"}
    PUT clock             {"at": "2026-03-29T00:00:00Z", "speed": 86400, "until": "2026-03-30T00:00:00Z",
                          "paused": false}: each is optional, `speed` is simulated seconds in a second, at `until` it
                          comes to stand, and unless `paused` it goes on
    POST clock/pause      it stands
    POST clock/resume     it goes on
    DELETE clock          wall time again

Everything that is due before `fired_until` was fired. Another `at`, and wall time, begin anew: rates count from there,
and one-time schedules fire again. Schedules alone go by this clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench.events.schedule.clock import Clock, InvalidClock
from workbench.faas.aws_errors import AwsError

_MEMBERS = {"at", "speed", "until", "paused"}


@dataclass(frozen=True, slots=True)
class Change:
    """What a PUT asks for."""

    at: datetime | None = None
    speed: float | None = None
    until: datetime | None = None
    paused: bool = False

    def apply(self, clock: Clock) -> None:
        """Set the clock; raises AwsError when it cannot go so."""
        try:
            clock.set(at=self.at, speed=self.speed, until=self.until, paused=self.paused)
        except InvalidClock as error:
            raise AwsError("ValidationException", str(error)) from None


def read_change(body: bytes) -> Change:
    """The body of a PUT; raises AwsError, which says what is wrong with it."""
    try:
        wish = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("ValidationException", f"The body is not JSON: {error}") from None
    if not isinstance(wish, dict) or wish.keys() - _MEMBERS:
        raise AwsError("ValidationException", 'Give an object like {"at": "2026-03-29T00:00:00Z", "speed": 86400}.')
    speed, paused = wish.get("speed"), wish.get("paused", False)
    if not isinstance(speed, int | float | None) or isinstance(speed, bool) or not isinstance(paused, bool):
        raise AwsError("ValidationException", "speed is a number, paused is true or false.")
    return Change(_moment(wish, "at"), None if speed is None else float(speed), _moment(wish, "until"), paused)


def _moment(wish: dict[str, Any], name: str) -> datetime | None:
    value = wish.get(name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise AwsError(
            "ValidationException", f"{name} is a time such as 2026-03-29T00:00:00Z, not {value!r}."
        ) from None


def said(moment: datetime | None) -> str | None:
    """A time as it is answered."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
