"""One field of a cron expression: which numbers it names (EventBridge user guide, "Cron expressions")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from workbench.errors import WorkbenchError


class InvalidExpression(WorkbenchError):
    """A schedule expression, or its time zone, that AWS would not take."""


@dataclass(frozen=True, slots=True)
class Field:
    """What may stand in a field: numbers from `low` to `high`, or names for them."""

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    steps: bool = True  # whether / is documented for it
    wraps: bool = True  # whether 20-2 goes on from the lowest number

    def numbers(self, text: str) -> tuple[int, ...]:
        """All numbers that `text` names, in order: `*`, `5`, `1-5`, `0/15`, `*/10`, `20-2`, and lists of these.

        Raises InvalidExpression, which says what is wrong with it.
        """
        found: set[int] = set()
        for part in text.split(","):
            found.update(self._part(part, text))
        return tuple(sorted(found))

    def number(self, text: str) -> int:
        """The number that a word stands for; raises InvalidExpression."""
        value = self.names.get(text.upper(), int(text) if text.isascii() and text.isdigit() else -1)
        if not self.low <= value <= self.high:
            allowed = f"{self.low} to {self.high}"
            if self.names:
                words = list(self.names)
                allowed += f", or {words[0]} to {words[-1]}"
            raise InvalidExpression(f"the field {self.name} takes {allowed}, not {text!r}")
        return value

    def _part(self, part: str, text: str) -> Iterator[int]:
        if not part:
            raise InvalidExpression(f"in the field {self.name}, {text!r} has a comma too many")
        span, slash, step = part.partition("/")
        if slash and not self.steps:
            raise InvalidExpression(f"the field {self.name} has no steps (/): list the days, as in MON,WED,FRI")
        first, last = self._span(span, open_ended=bool(slash))
        size = self.high - self.low + 1
        length = (last - first) % size + 1
        return (self.low + (first - self.low + at) % size for at in range(0, length, self._step(step, slash, size)))

    def _span(self, span: str, *, open_ended: bool) -> tuple[int, int]:
        if span == "*":
            return self.low, self.high
        low, dash, high = span.partition("-")
        first = self.number(low)
        if not dash:
            return first, self.high if open_ended else first
        last = self.number(high)
        if last < first and not self.wraps:
            raise InvalidExpression(f"in the field {self.name}, {span!r} goes backwards")
        return first, last

    def _step(self, step: str, slash: str, size: int) -> int:
        if not slash:
            return 1
        if not (step.isascii() and step.isdigit() and 1 <= int(step) <= size):
            raise InvalidExpression(f"in the field {self.name}, a step (/) is a number from 1 to {size}, not {step!r}")
        return int(step)


_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

MINUTES = Field("minutes", 0, 59)
HOURS = Field("hours", 0, 23)
DAYS_OF_MONTH = Field("day-of-month", 1, 31)
MONTHS = Field("month", 1, 12, {name: number for number, name in enumerate(_MONTH_NAMES, 1)})
DAYS_OF_WEEK = Field("day-of-week", 1, 7, {name: number for number, name in enumerate(_DAY_NAMES, 1)}, steps=False)
YEARS = Field("year", 1970, 2199, wraps=False)
