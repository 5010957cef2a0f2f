"""The interference matrix: what each pressure does to the victim's p50 and p99 in each box, where it does anything."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.matrix import heading
from workbench.charts.style import INK, finish, nothing, safe
from workbench.findings import matrix
from workbench.findings.selecting import Measured
from workbench.findings.shifts import PERCENTILES, Shift, shift
from workbench.findings.wording import DASH, capitalised, times
from workbench.records import Measurement

_STEPS = ((1.25, 2, "#fdeee3"), (2.0, 3, "#f9cfb5"), (float("inf"), 4, "#f0a077"))
"""Up to this ratio beyond the noise: the tint, darker in print too; the numbers say the same."""

_TINTS = ("#f1f1f1", "#f7fbfd", "#cfe5f3", *(tint for _, _, tint in _STEPS))
_NOT_MEASURED, _NOISE, _FASTER = -1, 0, 1


def interference(measured: Measured) -> go.Figure:
    """Pressures by boxes, for p50 and p99: during over before with its 95 % interval, or *inside the noise*."""
    finding, selection = findings.interference(measured), matrix.columns(measured)
    shown = [m for m in selection.measurements if matrix.pressures(m)]
    names = list(dict.fromkeys(p.name for m in shown for p in matrix.pressures(m)))
    if not names:
        return nothing(finding)
    rows = [(name, q) for name in names for q in PERCENTILES]
    cells = [[_cell(m, name, q) for m in shown] for name, q in rows]
    figure = go.Figure(
        go.Heatmap(
            z=[[level for level, _, _ in row] for row in cells],
            text=[[text for _, text, _ in row] for row in cells],
            hovertext=[[said for _, _, said in row] for row in cells],
            texttemplate="%{text}",
            textfont={"size": 13 if len(shown) < 5 else 11.5, "color": INK},
            hovertemplate="%{hovertext}<extra></extra>",
            zmin=-1,
            zmax=len(_TINTS) - 2,
            colorscale=_banded(_TINTS),
            showscale=False,
            xgap=4,
            ygap=2,
        )
    )
    for place in range(1, len(names)):  # what belongs to one pressure stands together
        y = place * len(PERCENTILES) - 0.5
        figure.add_shape(type="line", x0=-0.5, x1=len(shown) - 0.5, y0=y, y1=y, line={"color": "white", "width": 7})
    figure.update_xaxes(
        tickvals=list(range(len(shown))), ticktext=[heading(m) for m in shown], side="top", showgrid=False
    )
    ticks = [f"{capitalised(safe(name)) + '  ' if q == PERCENTILES[0] else ''}<b>p{q}</b>" for name, q in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=ticks, range=[len(rows) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    subtitle = "The victim's p50 and p99 under pressure over those before, with 95 % intervals; the darker, the slower."
    return finish(figure, finding, subtitle, 30 * len(rows) + 10, x_on_top=True)


def _cell(m: Measurement, name: str, q: int) -> tuple[int, str, str]:
    """Level of its tint, text, and what the hover says."""
    found = [p for p in matrix.pressures(m) if p.name == name]
    if not found:
        return _NOT_MEASURED, "not tried", "not tried"
    pressed = found[0]
    if pressed.failed and q == PERCENTILES[0]:
        return _STEPS[-1][1], f"{pressed.failed} requests failed", safe(pressed.observed)
    moved = shift(pressed, q)
    if moved is None:
        return _NOT_MEASURED, "too few samples", f"too few answers for a p{q}"
    span = f"{times(moved.interval[0])[:-1]}{DASH}{times(moved.interval[1])}"
    said = f"{safe(name)}, p{q}: {times(moved.ratio)}, 95 % interval {span}, {moved.effect}; {moved.samples} samples"
    if moved.effect == "inside the noise":
        return _NOISE, "inside the noise", said
    return _level(moved), f"<b>{times(moved.ratio)}</b> ({span[:-1]})", said


def _level(moved: Shift) -> int:
    if moved.effect == "faster":
        return _FASTER
    return next(level for limit, level, _ in _STEPS if moved.ratio <= limit)


def _banded(tints: tuple[str, ...]) -> list[list[float | str]]:
    """A scale without shades between: each whole number from the least to the most has a tint of its own."""
    edge = 1 / (len(tints) - 1)
    scale: list[list[float | str]] = []
    for place, tint in enumerate(tints):
        scale += [[max(0.0, (place - 0.5) * edge), tint], [min(1.0, (place + 0.5) * edge), tint]]
    return scale
