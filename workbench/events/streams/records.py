"""What is read from a stream, and what is sent of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a shard. `key` is what keeps its order: a partition key, an item's key.

    `sequence` is its number, as the source writes it; `arrived_s` when the source got it, in seconds since the epoch;
    `body` the JSON that the function gets of it.
    """

    sequence: str
    key: str
    arrived_s: float
    body: str

    @property
    def size(self) -> int:
        """Bytes of it in a batch."""
        return len(self.body) + 1


@dataclass(frozen=True, slots=True)
class Window:
    """A tumbling window of a shard, and what the function made of its records so far (JSON).

    With `final` it is over; with `early` it goes on with an empty state, because this one is too large.
    """

    start_s: float
    end_s: float
    state: str = "{}"
    final: bool = False
    early: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that go to the function in one invocation; none where a window is closed.

    `failures` counts against MaximumRetryAttempts, `tries` are all invocations with these records, `refusals` the times
    in a row that the function could not be run. It is due at `due_s`.
    """

    number: int
    lane: int
    records: tuple[Record, ...]
    failures: int = 0
    tries: int = 0
    refusals: int = 0
    due_s: float = 0.0
    window: Window | None = None

    @property
    def sequences(self) -> tuple[str, ...]:
        """The numbers of its records."""
        return tuple(record.sequence for record in self.records)


@dataclass(frozen=True, slots=True)
class Policy:
    """How batches are made and tried; times in seconds, -1 for "without end".

    `scale` shortens the delays between tries.
    """

    batch_size: int = 100
    window_s: float = 0.0
    parallel: int = 1
    bisect: bool = False
    max_retries: int = -1
    max_age_s: float = -1
    tumbling_s: int = 0
    scale: float = 1.0


# ---- how an invocation went ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Took:
    """The function took the batch; `state` is what it made of the window (JSON), where there is one."""

    state: str = "{}"


@dataclass(frozen=True, slots=True)
class Failed:
    """The function failed the batch: from the record `first` on, or all of it."""

    first: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The function was not run: throttled, not there. AWS does not count that as a try."""


Outcome = Took | Failed | Refused


# ---- what is to be done ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Invoke the function with a batch."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Again:
    """A batch will be sent again, at its `due_s`."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Halved:
    """A batch failed; its halves will be sent one after the other."""

    batch: Batch
    halves: Sequence[Batch]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """These records are not tried again; `condition` in AWS's words."""

    batch: Batch
    condition: str


Command = Send | Again | Halved | GivenUp

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
AGE_EXCEEDED = "RecordAgeExceeded"
