"""When requests leave: every arrival drawn before the first is sent, so that answers cannot change the plan.

A schedule is a rate over time, in straight pieces, turned into arrivals by inverting its integral: evenly (the k-th
request leaves when the integral reaches k) or as a Poisson process (the steps are unit-exponential draws, seeded).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.errors import WorkbenchError

MAX_RATE_PER_S = 20_000.0
MAX_DURATION_S = 600.0
MAX_REQUESTS = 1_000_000
"""Bounds of a load: a typing error must not become an attack, nor a result that no memory holds."""


@dataclass(frozen=True)
class Piece:
    """A stretch of `seconds` over which the rate goes from `start` to `end` requests a second, straight."""

    start: float
    end: float
    seconds: float

    @property
    def requests(self) -> float:
        """Expected number of requests: the area under the rate."""
        return (self.start + self.end) / 2 * self.seconds


@dataclass(frozen=True)
class Schedule:
    """Planned send times in seconds from the start, rising; `seed` is None where nothing is drawn by chance.

    `peak_per_s` is the highest rate meant, or found in a recording. `source` says of arrivals that are not of our own
    invention where they come from: recorded, or modelled after whom.
    """

    kind: str
    planned_s: tuple[float, ...]
    duration_s: float
    peak_per_s: float
    seed: int | None
    source: str = ""

    def __len__(self) -> int:
        return len(self.planned_s)


def constant(rate: float, duration_s: float) -> Schedule:
    """`rate` requests a second, evenly spaced; raises WorkbenchError past the bounds, as all schedules do."""
    return _draw("constant", [Piece(rate, rate, duration_s)], None)


def poisson(rate: float, duration_s: float, seed: int = 0) -> Schedule:
    """Independent arrivals at `rate` a second on average: what many independent users look like."""
    return _draw("poisson", [Piece(rate, rate, duration_s)], seed)


def ramp(start: float, end: float, duration_s: float, seed: int | None = 0) -> Schedule:
    """A rate going straight from `start` to `end` a second; `seed` None spaces arrivals by the rate exactly."""
    return _draw("ramp", [Piece(start, end, duration_s)], seed)


def step(rates: Sequence[float], each_s: float, seed: int | None = 0) -> Schedule:
    """Each of `rates` (a second) for `each_s` seconds, one after another."""
    return _draw("step", [Piece(rate, rate, each_s) for rate in rates], seed)


def burst(
    base: float, peak: float, *, before_s: float, burst_s: float, after_s: float = 0.0, seed: int | None = 0
) -> Schedule:
    """`base` a second, then `peak` for `burst_s` seconds, then `base` again; a stretch of 0 s is left out."""
    stretches = ((base, before_s), (peak, burst_s), (base, after_s))
    return _draw("burst", [Piece(rate, rate, seconds) for rate, seconds in stretches if seconds], seed)


def named(arrivals: str, rate: float, duration_s: float, seed: int = 0) -> Schedule:
    """The schedule a command names, whose highest rate is `rate` a second.

    `ramp` starts at a tenth of it, `step` takes a quarter, a half and all of it, `burst` is a quarter of it with all
    of it in the middle third. Raises WorkbenchError for another name.
    """
    third = duration_s / 3
    if arrivals == "constant":
        return constant(rate, duration_s)
    if arrivals == "poisson":
        return poisson(rate, duration_s, seed)
    if arrivals == "ramp":
        return ramp(rate / 10, rate, duration_s, seed)
    if arrivals == "step":
        return step((rate / 4, rate / 2, rate), third, seed)
    if arrivals == "burst":
        return burst(rate / 4, rate, before_s=third, burst_s=third, after_s=third, seed=seed)
    raise WorkbenchError(
        f"There are no arrivals called {arrivals!r}. Choose constant, poisson, ramp, step, burst "
        "or azure, or give a recording (FILE.csv)."
    )


def check_bounds(peak_per_s: float, duration_s: float, requests: float) -> None:
    """Raise WorkbenchError, saying what to lower, unless the load is positive and within the bounds above."""
    if not (math.isfinite(peak_per_s) and 0 < peak_per_s <= MAX_RATE_PER_S):
        raise WorkbenchError(f"The rate is {peak_per_s:g}/s; choose one above 0 and up to {MAX_RATE_PER_S:,.0f}/s.")
    if not (math.isfinite(duration_s) and 0 < duration_s <= MAX_DURATION_S):
        raise WorkbenchError(f"The duration is {duration_s:g} s; choose one above 0 and up to {MAX_DURATION_S:g} s.")
    if requests > MAX_REQUESTS:
        raise WorkbenchError(
            f"That is {requests:,.0f} requests; one load sends at most {MAX_REQUESTS:,}. "
            "Lower the rate or the duration."
        )


def _draw(kind: str, pieces: Sequence[Piece], seed: int | None) -> Schedule:
    duration = math.fsum(piece.seconds for piece in pieces)
    total = math.fsum(piece.requests for piece in pieces)
    peak = max((max(piece.start, piece.end) for piece in pieces), default=0.0)
    check_bounds(peak, duration, total)
    if any(min(piece.start, piece.end) < 0 or piece.seconds <= 0 for piece in pieces):
        raise WorkbenchError("A rate may not be negative, nor a stretch of the schedule shorter than 0 s.")
    marks = _even(total) if seed is None else _exponential(total, random.Random(seed))
    return Schedule(kind, tuple(_invert(pieces, marks)), duration, peak, seed)


def _even(total: float) -> Iterator[float]:
    # Less a hair, so that 10/s for 1 s is 10 requests whatever the last bit of the product says.
    return (float(k) for k in range(math.ceil(total - 1e-9)))


def _exponential(total: float, rng: random.Random) -> Iterator[float]:
    mark = rng.expovariate(1.0)
    while mark < total:
        yield mark
        mark += rng.expovariate(1.0)


def _invert(pieces: Sequence[Piece], marks: Iterator[float]) -> Iterator[float]:
    """The times at which the integral of the rate reaches each of the rising `marks`."""
    at, done, rest = 0.0, 0.0, iter(pieces)
    piece = next(rest)
    for mark in marks:
        while mark - done >= piece.requests:
            following = next(rest, None)
            if following is None:
                break
            at, done, piece = at + piece.seconds, done + piece.requests, following
        yield at + min(_time_to(piece, mark - done), piece.seconds)


def _time_to(piece: Piece, requests: float) -> float:
    # The root of start·t + (end − start)/(2·seconds)·t² = requests, in the form that does not cancel.
    slope = (piece.end - piece.start) / piece.seconds
    root = math.sqrt(max(0.0, piece.start**2 + 2 * slope * requests))
    return 2 * requests / (piece.start + root) if piece.start + root else 0.0
