"""Arrivals that somebody recorded: one column of a CSV, played again as they came, or faster."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.load.schedule import MAX_REQUESTS, Schedule, check_bounds


def from_csv(path: str | Path, *, speed: float = 1.0, duration_s: float | None = None) -> Schedule:
    """The arrivals in the CSV at `path`: one column, rising, of seconds or of ISO 8601 timestamps.

    The first line may be a heading. Times count from the first arrival, so seconds may begin anywhere (Unix times do).
    `speed` 60 plays a minute in a second; `duration_s` ends the load that many seconds after its start. Raises
    WorkbenchError, naming the line, for what is no time, goes back in time or has more than one column, and when the
    load is out of bounds.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise WorkbenchError(f"The speed is {speed:g}; choose one above 0 (1: as recorded, 60: a minute in a second).")
    if duration_s is not None and not duration_s > 0:
        raise WorkbenchError(f"The duration is {duration_s:g} s; choose one above 0, or none for the whole recording.")
    planned: list[float] = []
    for after_s in _seconds_after_first(Path(path)):
        at = after_s / speed
        if duration_s is not None and at >= duration_s:
            break
        planned.append(at)
        if len(planned) > MAX_REQUESTS:
            raise WorkbenchError(f"{path} holds more than {MAX_REQUESTS:,} arrivals; play a part of it (duration).")
    if not planned:
        raise WorkbenchError(f"{path} holds no arrival. Give it one time a line: seconds, or timestamps.")
    length = max(planned[-1], 1e-9) if duration_s is None else duration_s
    peak = _most_in_a_second(planned)
    check_bounds(peak, length, len(planned))
    faster = "" if speed == 1 else f", played {speed:g} times as fast"
    return Schedule("recorded", tuple(planned), length, peak, None, f"recorded in {Path(path).name}{faster}")


def _seconds_after_first(path: Path) -> Iterator[float]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _rising(path, csv.reader(file))
    except OSError as error:
        raise WorkbenchError(f"The arrivals cannot be read: {error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise WorkbenchError(f"{path} is no CSV in UTF-8 ({error}). Export the column of times as CSV.") from error


def _rising(path: Path, rows: Iterator[list[str]]) -> Iterator[float]:
    kind: Kind | None = None
    first = last = 0.0
    for line, row in enumerate(rows, 1):
        text = "".join(row).strip()
        if not text:
            continue
        if len(row) > 1:
            raise WorkbenchError(f"{path}, line {line}: {len(row)} columns. Keep only the one with the arrival times.")
        begins = kind is None
        kind = kind or next((each for each in KINDS if each.time(text) is not None), None)
        at = kind.time(text) if kind is not None else None
        if at is None:
            if line == 1 and kind is None:
                continue  # the heading
            wanted = "seconds (12.5) or a timestamp (2026-01-31T12:00:00.5Z)" if kind is None else kind.wanted
            raise WorkbenchError(f"{path}, line {line}: {text[:40]!r} is no time; there must be {wanted}.")
        if begins:
            first = last = at
        if at < last:
            raise WorkbenchError(f"{path}, line {line}: {text[:40]!r} is before the time above it. Sort the times.")
        last = at
        yield at - first


@dataclass(frozen=True)
class Kind:
    """A way to write times: how one is read, and what to say of what is none."""

    read: Callable[[str], float]
    wanted: str

    def time(self, text: str) -> float | None:
        """Seconds since some moment, the same for all of a column; None when `text` is no time of this kind."""
        try:
            at = self.read(text)
        except ValueError:
            return None
        return at if math.isfinite(at) else None


def _timestamp(text: str) -> float:
    at = datetime.fromisoformat(text)
    # Without a zone the column's own differences count, and in UTC no hour is skipped or comes twice.
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


KINDS = (Kind(float, "seconds, as in the first"), Kind(_timestamp, "a timestamp, as in the first"))


def _most_in_a_second(planned: list[float]) -> float:
    most = begin = 0
    for end, at in enumerate(planned):
        while planned[begin] <= at - 1.0:
            begin += 1
        most = max(most, end - begin + 1)
    return float(most)
