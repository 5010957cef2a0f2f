"""Whether the machine became slower or faster while deployments were measured in turn, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.findings.selecting import name_of
from workbench.findings.wording import capitalised
from workbench.records import Measurement
from workbench.statistics import Estimate, drift

IN_TURN = ("cold_start",)
"""What was measured in turn before the times of samples were noted (schema 1); their order tells it then."""

_MOST = 9.995
_TELLS_NOTHING = 4.0


def drift_of(measurements: Iterable[Measurement]) -> Estimate | None:
    """Time at the end over time at the beginning, over all measurements together; None where nobody can tell."""
    found = [m for m in measurements if m.samples and (m.taken_s or m.experiment in IN_TURN)]
    timed = all(m.taken_s for m in found)
    return drift([m.samples for m in found], [m.taken_s for m in found] if timed else ())


def drifted(measurements: Sequence[Measurement]) -> tuple[str, ...]:
    """The sentences about it: the machine's drift, and who drifted otherwise; none where nobody can tell."""
    together = drift_of(measurements)
    if together is None:
        return ()
    if len(measurements) == 1:
        who = f"From its first sample to its last {name_of(measurements[0])}"
        return (f"{who} {_did(together)}{', by itself or with the machine' if _beyond(together) else ''}.",)
    alike = "; the deployments were measured in turn, so it fell on all of them alike" if _beyond(together) else ""
    sentences = [f"While this was measured the machine {_did(together)}{alike}."]
    for m in measurements:
        own = drift_of([m])
        if own is not None and _beyond(own) and not own.low <= together.value <= own.high:
            sentences.append(f"{capitalised(name_of(m))} alone {_did(own)}: that is not the machine's.")
    return tuple(sentences)


def change(found: Estimate) -> str:
    """A drift for a table: `+8% [+2..+14]`, in per cent of the time at the beginning; nothing says who cannot tell."""
    if found.high > _TELLS_NOTHING * found.low:
        return "unclear"
    return f"{_signed(found.value)}% [{_signed(found.low)}..{_signed(found.high)}]"


def _beyond(found: Estimate) -> bool:
    return not found.low <= 1 <= found.high


def _did(found: Estimate) -> str:
    if not _beyond(found):
        return f"did not drift beyond the noise ({_signed(found.low)} to {_signed(found.high)} %)"
    if found.value > 1:
        return f"slowed by {_percent(found.value)} % ({_percent(found.low)}–{_percent(found.high)} %)"
    return f"became faster by {_percent(found.value)} % ({_percent(found.high)}–{_percent(found.low)} %)"


def _percent(ratio: float) -> str:
    return f"{'over ' if ratio > _MOST else ''}{abs(min(ratio, _MOST) - 1) * 100:.0f}"


def _signed(ratio: float) -> str:
    percent = round((ratio - 1) * 100)
    if ratio > _MOST:
        return f">{(_MOST - 1) * 100:.0f}"
    return "0" if percent == 0 else f"+{percent}" if percent > 0 else f"−{-percent}"
