"""What the phases of measured cold starts say, in the words that a lab asks for."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.findings import cold
from workbench.records import Measurement

PHASES = tuple(cold.PHASES.values())
"""sandbox, runtime init, function init, handler: the choices of a question about phases."""

_FLOOR_MS = 0.1
"""Below this a phase is as good as gone; a smaller divisor would make a factor of the clock's own noise."""


def phases(measurement: Measurement) -> dict[str, float]:
    """The median of each phase in ms by its name, for those that this deployment can see."""
    medians = cold.phase_medians(measurement)
    return {name: value for key, name in cold.PHASES.items() if (value := medians[key]) is not None}


def heaviest(measurement: Measurement) -> str | None:
    """The phase with the largest median, None when none could be seen."""
    seen = phases(measurement)
    return max(seen, key=lambda name: seen[name]) if seen else None


def vanished(measured: Iterable[Measurement], technique: str, *, before: str) -> str | None:
    """The phase of init that shrank by the largest factor from technique `before` to `technique`.

    The handler is left out: it runs the same whatever came before it. None when one of the two was not measured.
    """
    found = {m.deployment: phases(m) for m in measured}
    if technique not in found or before not in found:
        return None
    was, now = found[before], found[technique]
    factors = {name: was[name] / max(now[name], _FLOOR_MS) for name in PHASES[:-1] if name in was and name in now}
    return max(factors, key=lambda name: factors[name]) if factors else None
