"""Every sandbox by every probe and every pressure: one column a deployment, measured in turn."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import CapabilityMissing, WorkbenchError
from workbench.experiments.effects import Effect
from workbench.experiments.neighbours import neighbours, probe_all
from workbench.experiments.pressures import PRESSURES, Pressure
from workbench.experiments.probes import Pair, Probe
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance
from workbench.service import Resources

EXPERIMENT = "isolation_matrix"

PRESSED = Resources(memory_mb=640, timeout_s=30)
"""The limits of victim and neighbour: the smallest /tmp, which may count as memory, and room for an interpreter."""


def isolation_matrix(
    columns: Mapping[str, Deployment | WorkbenchError],
    *,
    rounds: int = 2,
    window_s: float = 0.8,
    pressures: Sequence[Pressure] = PRESSURES,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """A victim and its neighbour beside each named deployment: all probes, then each pressure on each in turn.

    A column that could not be had here is given as the error that deploying it raised; it stays, without a result and
    with the reason and the remedy. Each pressure takes three windows of `window_s` seconds (before, during, after),
    `rounds` times. Samples: milliseconds of the victim's work during all pressures. Detail: unavailable (None, or
    reason and remedy), probes, held, tried, pressures (see `Effect.to_json`), pressures_held, pressures_tried.
    A column that fails on the way keeps what it has, and `failure` says why. Everything started here is stopped here.
    Raises Interrupted.
    """
    tell = progress or silent
    found = [_Column(name, given) for name, given in columns.items()]
    total = len(found) * (1 + rounds * len(pressures))
    done = 0

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(column.measurement(complete) for column in found)

    with keeping(lambda: so_far(False)), contextlib.ExitStack() as opened:
        for column in found:
            tell(EXPERIMENT.replace("_", " "), done, total)
            column.open(opened, pressures)
            done += 1
        for _ in range(rounds):
            for place in range(len(pressures)):
                for column in found:
                    tell(f"{EXPERIMENT.replace('_', ' ')}", done, total)
                    column.press(place, window_s)
                    done += 1
        tell(EXPERIMENT.replace("_", " "), total, total)
    return so_far(True)


@dataclass
class _Column:
    """One deployment and what was found of it so far."""

    name: str
    given: Deployment | WorkbenchError
    pair: Pair | None = None
    probes: list[Probe] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    failure: str = ""

    def open(self, opened: contextlib.ExitStack, pressures: Sequence[Pressure]) -> None:
        """Start the pair, which ends with `opened`, and ask every probe."""
        if isinstance(self.given, WorkbenchError):
            return
        self.effects = [Effect(pressure) for pressure in pressures]
        try:
            self.pair = opened.enter_context(neighbours(self.given, PRESSED))
            self.probes += probe_all(self.given, self.pair)
        except WorkbenchError as error:
            self.failure = str(error).splitlines()[0]

    def press(self, place: int, window_s: float) -> None:
        """One turn of one pressure."""
        if self.pair is not None:
            self.effects[place].measure(self.pair, window_s)

    def measurement(self, complete: bool) -> Measurement:
        """What there is, as a measurement."""
        pressures = [e.to_json() for e in self.effects if e.during_s or e.not_tried]
        tried = [p for p in self.probes if p.held is not None]
        pressed = [p for p in pressures if p["held"] is not None]
        unavailable = _unavailable(self.given) if isinstance(self.given, WorkbenchError) else None
        detail: dict[str, Any] = {
            "unavailable": unavailable,
            "failure": self.failure,
            "probes": [p.to_json() for p in self.probes],
            "held": sum(1 for p in tried if p.held),
            "tried": len(tried),
            "pressures": pressures,
            "pressures_held": sum(1 for p in pressed if p["held"]),
            "pressures_tried": len(pressed),
        }
        samples = tuple(ms for e in self.effects for ms in e.ms["during"])
        how = f"{len(self.probes)} probes from inside a service beside its neighbour"
        if pressures:
            timed = f"its work timed before, during and after each of {len(pressures)} pressures by the neighbour"
            how = f"{how}; {timed}, sandboxes in turn"
        if isinstance(self.given, WorkbenchError):
            sandbox, how = self.name, "not available on this machine"
        else:
            sandbox = self.given.sandbox
        provenance = Provenance("measured", how)
        return Measurement(EXPERIMENT, self.name, sandbox, "ms", samples, provenance, detail=detail, complete=complete)


def _unavailable(error: WorkbenchError) -> dict[str, str]:
    if isinstance(error, CapabilityMissing):
        return {"reason": error.what, "remedy": error.remedy}
    return {"reason": str(error).splitlines()[0], "remedy": ""}
