"""How many batches of one queue are in the function's hands at once. Pure: the time is told.

AWS begins with five, adds up to 300 a minute while there are messages, and goes no further than 1,250 or the mapping's
MaximumConcurrency; when invocations fail or are throttled it backs off (Lambda developer guide, "Configuring scaling
behavior for SQS event source mappings"). By how much it backs off is not documented: here by one for each.
"""

from __future__ import annotations

START = 5
MOST = 1250
GROWTH_PER_S = 300 / 60
_LONGEST_STEP_S = 1.0  # a reader that was held up does not make up for it at once


class Pace:
    """The limit, which grows as messages are found; `most` is the mapping's own maximum."""

    def __init__(self, most: int | None, now_s: float) -> None:
        self._most = float(min(most or MOST, MOST))
        self._limit = min(float(START), self._most)
        self._at_s = now_s

    @property
    def limit(self) -> int:
        """How many batches may be under way now."""
        return int(self._limit)

    def read(self, now_s: float, *, found: bool) -> None:
        """The queue was asked, and had messages or none."""
        step_s = min(now_s - self._at_s, _LONGEST_STEP_S)
        self._at_s = now_s
        if found:
            self._limit = min(self._most, self._limit + GROWTH_PER_S * step_s)
        else:
            self._limit = max(min(float(START), self._most), self._limit - GROWTH_PER_S * step_s)

    def failed(self) -> None:
        """An invocation failed as a whole, or was throttled."""
        self._limit = max(1.0, self._limit - 1.0)
