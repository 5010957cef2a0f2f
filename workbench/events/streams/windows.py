"""Tumbling windows: to which one a record belongs, when one is over, and what is carried from batch to batch.

AWS Lambda developer guide, "Implementing stateful Kinesis Data Streams processing in Lambda": windows are told by the
time at which records were put into the stream; a state has at most 1 MB, beyond which the window is ended early.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.events.streams.records import Window

MOST_STATE = 2**20


class Windows:
    """The windows of one shard, one after the other; `length_s` seconds each."""

    def __init__(self, length_s: int, window: Window | None = None) -> None:
        self._length_s = length_s
        self.open = window

    def closes(self, upcoming_s: float | None, seen_s: float, ended: bool) -> bool:
        """Whether the open window has to be told to the function now: it is over, or its state is too large.

        The next record arrived at `upcoming_s`; all that arrived before `seen_s` was read.
        """
        if self.open is None:
            return False
        if self.open.early:
            return True
        if upcoming_s is not None:
            return upcoming_s >= self.open.end_s
        return ended or seen_s >= self.open.end_s

    def over(self, arrived_s: float, seen_s: float) -> bool:
        """Whether the window of such a record gets no more."""
        return seen_s >= self._start(arrived_s) + self._length_s

    def together(self, first_s: float, other_s: float) -> bool:
        """Whether two records go into one batch. A record that the clock put before its predecessor stays with it."""
        return other_s < self._start(first_s) + self._length_s

    def enter(self, arrived_s: float) -> None:
        """A batch of such records is about to be sent."""
        if self.open is None:
            start_s = self._start(arrived_s)
            self.open = Window(start_s, start_s + self._length_s)

    def view(self, *, closing: bool) -> Window | None:
        """The window as the function is told of it."""
        if self.open is None:
            return None
        return replace(self.open, final=closing and not self.open.early, early=closing and self.open.early)

    def took(self, state: str, *, closed: bool) -> None:
        """The function has a new state of the open window; or it was told that the window is closed."""
        if self.open is None:
            return
        if not closed:
            self.open = replace(self.open, state=state, early=len(state.encode()) > MOST_STATE)
        elif self.open.early:
            self.open = Window(self.open.start_s, self.open.end_s)
        else:
            self.open = None

    def _start(self, arrived_s: float) -> float:
        if self.open is not None and arrived_s < self.open.end_s:
            return self.open.start_s
        return arrived_s // self._length_s * self._length_s
