"""What the isolation probes and the noisy neighbour say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from workbench import statistics
from workbench.findings.finding import Finding
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import DASH, capitalised, entries, listed, milliseconds, number, numbers, pair, times
from workbench.records import Measurement

Verdict = Literal["held", "broken", "not testable"]


@dataclass(frozen=True)
class Probe:
    """One question asked from inside the service, and what was seen."""

    name: str
    question: str
    verdict: Verdict
    observed: str


@dataclass(frozen=True)
class Noise:
    """The victim's p50 beside a noisy neighbour over alone, with its 95 % interval where known."""

    ratio: float
    interval: tuple[float, float] | None
    alone_ms: float | None
    beside_ms: float | None
    ratio_p95: float | None

    @property
    def verdict(self) -> Literal["slower", "faster", "inside the noise"]:
        """Whether the interval leaves 1 out; without an interval nothing is beyond the noise."""
        if self.interval is None or self.interval[0] <= 1 <= self.interval[1]:
            return "inside the noise"
        return "slower" if self.interval[0] > 1 else "faster"


def probes(m: Measurement) -> tuple[Probe, ...]:
    """The probes of one deployment, in the order asked."""
    found = []
    for entry in entries(m.detail.get("probes")):
        if not isinstance(entry, dict):
            continue
        held: Any = entry.get("held")
        verdict: Verdict = "not testable" if held is None else "held" if held else "broken"
        name = str(entry.get("name") or "probe")
        found.append(Probe(name, str(entry.get("question") or name), verdict, str(entry.get("observed") or "")))
    return tuple(found)


def noise(m: Measurement) -> Noise | None:
    """The noisy neighbour's effect; None when it was not measured."""
    detail: Any = m.detail.get("noisy")
    if not isinstance(detail, dict):
        return None
    alone, beside = numbers(detail.get("alone_ms")), numbers(detail.get("beside_ms"))
    middle_alone = statistics.percentile(alone, 50) if alone else None
    middle_beside = statistics.percentile(beside, 50) if beside else None
    ratio = number(detail.get("ratio_p50"))
    if ratio is None and middle_alone and middle_beside is not None:
        ratio = middle_beside / middle_alone
    if ratio is None:
        return None
    interval = pair(detail.get("ci95_ratio_p50"))
    return Noise(ratio, interval, middle_alone, middle_beside, number(detail.get("ratio_p95")))


def isolation(measured: Measured) -> Finding:
    """The finding of the isolation probes."""
    selection = select(measured, "isolation")
    tested = {name_of(m): probes(m) for m in selection.measurements if probes(m)}
    if not tested:
        return Finding("No isolation probe was run", (), selection.notes, selection.provenance)
    return Finding(_probe_title(tested), _probe_reading(tested), selection.notes, selection.provenance)


def _tally(found: tuple[Probe, ...]) -> tuple[int, int]:
    return sum(p.verdict == "held" for p in found), sum(p.verdict != "not testable" for p in found)


def _probe_title(tested: dict[str, tuple[Probe, ...]]) -> str:
    scores = {name: _tally(found) for name, found in tested.items()}
    perfect = [name for name, (held, tried) in scores.items() if tried and held == tried]
    if len(perfect) == len(scores):
        return f"Every box held in every probe: {listed(perfect)}"
    parts = [
        f"{name} {held} of {tried}" if tried else f"{name} none testable" for name, (held, tried) in scores.items()
    ]
    return f"Isolation probes that held: {listed(parts)}"


def _probe_reading(tested: dict[str, tuple[Probe, ...]]) -> tuple[str, ...]:
    sentences = [
        "Each probe runs inside the service and tries to see, reach or exhaust what belongs to its neighbour or to the "
        "machine."
    ]
    for name, found in tested.items():
        broken = [p.name.replace("_", " ") for p in found if p.verdict == "broken"]
        if broken:
            sentences.append(f"{capitalised(name)} let through: {listed(broken)}.")
    unknown = {name: sum(p.verdict == "not testable" for p in found) for name, found in tested.items()}
    parts = [f"{count} for {name}" for name, count in unknown.items() if count]
    if parts:
        sentences.append(f"Not testable on this machine: {listed(parts)}; that is neither held nor broken.")
    return tuple(sentences)


def noisy_neighbour(measured: Measured) -> Finding:
    """The finding of the noisy neighbour."""
    selection = select(measured, "isolation")
    effects = {name_of(m): found for m in selection.measurements if (found := noise(m))}
    notes = selection.notes
    without = [name_of(m) for m in selection.measurements if noise(m) is None]
    if without and selection.measurements:
        notes = (*notes, f"No noisy neighbour was measured for {listed(without)}.")
    if not effects:
        return Finding("No noisy neighbour was measured", (), notes, selection.provenance)
    return Finding(_noise_title(effects), _noise_reading(effects), notes, selection.provenance)


def _noise_title(effects: dict[str, Noise]) -> str:
    slowed = [f"{name} {times(e.ratio)}" for name, e in effects.items() if e.verdict == "slower"]
    calm = [name for name, e in effects.items() if e.verdict == "inside the noise"]
    faster = [f"{name} {times(e.ratio)}" for name, e in effects.items() if e.verdict == "faster"]
    parts = []
    if slowed:
        parts.append(f"slows {listed(slowed)}")
    if calm:
        parts.append(f"does nothing beyond the noise to {listed(calm)}")
    if faster:
        parts.append(f"leaves {listed(faster)} faster, which no box explains")
    return f"A noisy neighbour {'; '.join(parts)}"


def _noise_reading(effects: dict[str, Noise]) -> tuple[str, ...]:
    parts = []
    for name, e in effects.items():
        span = f" ({times(e.interval[0])[:-1]}{DASH}{times(e.interval[1])})" if e.interval else " (no interval)"
        way = f", {milliseconds(e.alone_ms)} alone, {milliseconds(e.beside_ms)} beside it" if e.alone_ms else ""
        parts.append(f"{name} {times(e.ratio)}{span}{way}")
    sentences = [
        "A second service of the same deployment burns CPU as fast as it can while the first one is asked the same "
        "question as before; a ratio of 1 means that the first one does not notice.",
        f"Median latency beside the neighbour over alone, with its 95 % interval: {'; '.join(parts)}.",
    ]
    tails = [f"{name} {times(e.ratio_p95)}" for name, e in effects.items() if e.ratio_p95 is not None]
    if tails:
        sentences.append(f"At the slow end (95th percentile): {listed(tails)}.")
    return tuple(sentences)
