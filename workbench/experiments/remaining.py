"""How long the rest takes, as far as the steps done so far tell."""

from __future__ import annotations

import time
from collections.abc import Callable


class Remaining:
    """Follows the steps of one stage and estimates the time that is left of it.

    The estimate is the mean of all steps done, times the steps that are left, less what the running step has taken of
    its own. It assumes that steps are alike: so it needs two of them, and its words are no finer than that is good for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._last = clock()
        self._first = self._done = 0
        self._total = 0

    def update(self, done: int, total: int) -> None:
        """`done` of `total` steps are over; fewer than before, or another total, begin the count anew."""
        now = self._clock()
        if done < self._done or total != self._total:
            self._began, self._last, self._first = now, now, done
        elif done > self._done:
            self._last = now
        self._done, self._total = done, total

    def elapsed_s(self) -> float:
        """Seconds since the stage began."""
        return (self._last if self._done >= self._total > 0 else self._clock()) - self._began

    def seconds(self) -> float | None:
        """The estimate now; None before two steps are done, and 0 when all are."""
        if self._total and self._done >= self._total:
            return 0.0
        steps = self._done - self._first
        if steps < 2:
            return None
        mean = (self._last - self._began) / steps
        running = max(0.0, mean - (self._clock() - self._last))
        return mean * (self._total - self._done - 1) + running

    def said(self) -> str:
        """The estimate for people: `about 40 s left`; empty where there is none, or nothing is left."""
        left = self.seconds()
        return in_words(left) if left and self._done < self._total else ""


def in_words(seconds: float) -> str:
    """A remaining time in steps of 5 s, from one minute on of 10 s, from two on of minutes."""
    if seconds < 7.5:
        return "a few seconds left"
    if seconds < 57.5:
        return f"about {5 * round(seconds / 5)} s left"
    if seconds < 115:
        return f"about {10 * round(seconds / 10)} s left"
    return f"about {round(seconds / 60)} min left"
