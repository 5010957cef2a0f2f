"""What was measured against whom, beside its target: one table, and the one rule of when a target counts as missed.

A target is a bound on a ratio. Machines are noisy, so the benchmark fails only where the whole interval of the ratio
lies on the wrong side of the bound. A miss inside the noise passes, but the table says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from workbench.statistics import Estimate

Verdict = Literal["met", "met, inside the noise", "missed, inside the noise", "MISSED", "no target"]


@dataclass(frozen=True)
class Target:
    """A bound on a ratio; `text` is how the table writes it ("≤ 1/10")."""

    bound: float
    at_most: bool
    text: str


def at_most(bound: float, text: str = "") -> Target:
    """The ratio is not to exceed `bound`."""
    return Target(bound, True, text or f"≤ {bound:g}")


def at_least(bound: float, text: str = "") -> Target:
    """The ratio is to reach `bound`."""
    return Target(bound, False, text or f"≥ {bound:g}")


@dataclass(frozen=True)
class Line:
    """One comparison: ours against a peer's, both as text with their units, and the ratio of ours to theirs."""

    what: str
    ours: str
    peer: str
    theirs: str
    ratio: Estimate
    target: Target | None = None

    @property
    def verdict(self) -> Verdict:
        """What may be said of the target."""
        if self.target is None:
            return "no target"
        sign = 1 if self.target.at_most else -1
        value, *ends = (sign * x for x in (self.ratio.value, self.ratio.low, self.ratio.high))
        bound = sign * self.target.bound
        if value <= bound:
            return "met" if max(ends) <= bound else "met, inside the noise"
        return "MISSED" if min(ends) > bound else "missed, inside the noise"


@dataclass
class Scoreboard:
    """Everything that the run has found; printed when it ends."""

    lines: list[Line] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def add(self, line: Line) -> Line:
        """Keep `line`, and print it at once for who waits."""
        self.lines.append(line)
        print(f"  {line.what}: {line.ours} against {line.peer}'s {line.theirs}: {_ratio(line.ratio)}, {line.verdict}")
        return line

    def note(self, fact: str) -> None:
        """Keep something to be read beside the table: a version, a part that was not measured and why."""
        if fact not in self.facts:
            self.facts.append(fact)
            print(f"  {fact}")

    def check(self, lines: list[Line]) -> None:
        """Raise AssertionError when a target of `lines` is clearly missed."""
        missed = [line for line in lines if line.verdict == "MISSED"]
        assert not missed, "; ".join(
            f"{line.what}: {_ratio(line.ratio)} of {line.peer}, target {line.target.text}"
            for line in missed
            if line.target is not None
        )

    def table(self) -> str:
        """The lines in columns, the facts below them."""
        rows = [("what", "ours", "peer", "theirs", "ours / theirs (95%)", "target", "verdict")]
        for line in self.lines:
            target = line.target.text if line.target is not None else ""
            rows.append(
                (line.what, line.ours, line.peer, line.theirs, _ratio(line.ratio), target, line.verdict),
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        text.insert(1, "-" * max(len(line) for line in text))
        return "\n".join([*text, "", *self.facts])


def _ratio(ratio: Estimate) -> str:
    # A small ratio reads better as a share: 1/15 rather than 0.067.
    value = f"1/{1 / ratio.value:.1f}" if 0 < ratio.value < 0.5 else f"{ratio.value:.2f}"
    return f"{value} ({ratio.low:.3f} to {ratio.high:.3f})"
