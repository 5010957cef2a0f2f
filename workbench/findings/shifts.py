"""The interference matrix: by how much each pressure on each box moves the victim's p50 and p99, if it does at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from workbench.findings.finding import Finding
from workbench.findings.matrix import Pressed, beyond, columns, notes_of, pressures
from workbench.findings.selecting import Measured
from workbench.findings.wording import DASH, listed, times
from workbench.records import Measurement
from workbench.statistics import FEWEST_FOR_VERDICT, bootstrap_ratio

PERCENTILES = (50, 99)

FEWEST_FOR_P99 = 100
"""Below a hundred samples a side the p99 is no more than the slowest of them, and is not compared."""

FEWEST_TO_BOUND_P99 = 368
"""Fewer cannot bound a p99 from above (see `statistics.ranks`), which no resampling of them can mend."""


@dataclass(frozen=True)
class Shift:
    """The victim's percentile during a pressure over before, with its 95 % interval; `samples` on the smaller side."""

    ratio: float
    interval: tuple[float, float]
    samples: int

    @property
    def effect(self) -> Literal["slower", "faster", "inside the noise"]:
        """A side only where the whole interval lies on it."""
        return beyond(self.interval)


def shift(pressed: Pressed, percentile: int) -> Shift | None:
    """What the pressure did to this percentile: as recorded, else from the samples kept; None with too few of them."""
    before, during = pressed.ms["before"], pressed.ms["during"]
    fewest = FEWEST_FOR_P99 if percentile == 99 else FEWEST_FOR_VERDICT
    samples = min(len(before), len(during))
    if samples < fewest:
        return None
    known = {50: (pressed.ratio, pressed.interval), 99: (pressed.ratio_p99, pressed.interval_p99)}
    ratio, interval = known.get(percentile, (None, None))
    if ratio is None or interval is None:
        found = bootstrap_ratio(during, before, percentile)
        ratio, interval = found.value, (found.low, found.high)
    return Shift(ratio, interval, samples)


def interference(measured: Measured) -> Finding:
    """The finding of the interference matrix: what is beyond the noise, and what is worst of it."""
    selection = columns(measured)
    notes = list(notes_of(selection))
    found = list(_shifts(selection.measurements))
    if not found:
        return Finding("No pressure was measured", (), tuple(notes), selection.provenance)
    counted = []
    sentences = [
        "Each number is the victim's percentile while the neighbour presses, over the same before; where its 95 % "
        "interval holds 1 it is inside the noise, and no effect is claimed.",
        "Of twenty such intervals about one leaves 1 out by chance.",
    ]
    for q in PERCENTILES:
        mine = [(m, p, s) for m, p, percentile, s in found if percentile == q]
        slower = [one for one in mine if one[2].effect == "slower"]
        counted.append(f"{len(slower)} of {len(mine)} {'medians' if q == 50 else 'p99s'}")
        if slower:
            m, p, s = max(slower, key=lambda one: one[2].interval[0])
            span = f"{times(s.interval[0])[:-1]}{DASH}{times(s.interval[1])}"
            sentences.append(f"The p{q} that suffers most is that of {m.deployment} under {p.name}: {span}.")
    fewer = sum(shift(p, 99) is None for m in selection.measurements for p in pressures(m))
    if fewer:
        notes.append(f"{fewer} p99s are left out, with fewer than {FEWEST_FOR_P99} samples a side.")
    least = min((s.samples for _, _, q, s in found if q == 99), default=FEWEST_TO_BOUND_P99)
    if least < FEWEST_TO_BOUND_P99:
        notes.append(f"Some p99s rest on {least} samples: below {FEWEST_TO_BOUND_P99} their intervals are too narrow.")
    title = f"A neighbour's pressure slows {listed(counted)} beyond the noise"
    return Finding(title, tuple(sentences), tuple(notes), selection.provenance)


def _shifts(measured: tuple[Measurement, ...]) -> Iterator[tuple[Measurement, Pressed, int, Shift]]:
    for m in measured:
        for p in pressures(m):
            for q in PERCENTILES:
                if (found := shift(p, q)) is not None:
                    yield m, p, q, found
