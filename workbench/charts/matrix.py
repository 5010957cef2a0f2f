"""The isolation matrix: every sandbox by every probe and pressure, and what each pressure did to the victim."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.boxes import VERDICTS, add_tints, add_verdicts
from workbench.charts.style import BLUE, GREY, VERMILLION, finish, nothing, safe
from workbench.findings import boxes, matrix
from workbench.findings.selecting import Measured, sandbox_of
from workbench.findings.wording import capitalised, milliseconds, times
from workbench.records import Measurement
from workbench.statistics import percentile

_WINDOW_LOOKS = {
    "before": ("circle-open", GREY, 0.24),
    "during": ("diamond", VERMILLION, 0.0),
    "after": ("square-open", BLUE, -0.24),
}


def isolation_matrix(measured: Measured) -> go.Figure:
    """Sandboxes by probes and pressures: held, broken or not testable; a pressure's cell has the victim's ratio."""
    finding, selection = findings.isolation_matrix(measured), matrix.columns(measured)
    shown = selection.measurements
    questions: dict[str, str] = {}
    for m in shown:
        questions |= {p.name: p.question for p in boxes.probes(m)}
    for m in shown:
        questions |= {p.name: p.question for p in matrix.pressures(m)}
    if not questions:
        return nothing(finding)
    rows = list(questions)
    levels: list[list[float | None]] = [[VERDICTS["not testable"][3]] * len(shown) for _ in rows]
    marks: dict[str, list[tuple[int, int, str, str]]] = {verdict: [] for verdict in VERDICTS}
    for column, m in enumerate(shown):
        cells = _cells(m)
        for row, name in enumerate(rows):
            verdict, word, observed = cells.get(name, _absent(m))
            levels[row][column] = VERDICTS[verdict][3]
            marks[verdict].append((column, row, word, observed))
    figure = go.Figure()
    add_tints(figure, levels)
    for verdict, found in marks.items():
        add_verdicts(figure, verdict, found, left=0.42, size=14 if len(shown) < 5 else 12)
    wrapped = ["<br>".join(safe(line) for line in textwrap.wrap(questions[name], 34)) for name in rows]
    figure.update_xaxes(
        tickvals=list(range(len(shown))), ticktext=[heading(m) for m in shown], side="top", showgrid=False
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=wrapped, range=[len(rows) - 0.5, -0.5], showgrid=False
    )
    figure.update_xaxes(zeroline=False, range=[-0.5, len(shown) - 0.5])
    figure.update_yaxes(zeroline=False)
    lines = sum(max(text.count("<br>") + 1, 2) for text in wrapped)
    subtitle = "Asked from inside. Under pressure: the victim's median over that before, 1 is no effect."
    return finish(figure, finding, subtitle, 20 * lines + 10, x_on_top=True)


def pressures(measured: Measured) -> go.Figure:
    """The victim's latency in ms (log) before, during and after each pressure: median, and a line to the p99."""
    finding, selection = findings.pressure_effects(measured), matrix.columns(measured)
    shown = [m for m in selection.measurements if any(any(p.ms.values()) for p in matrix.pressures(m))]
    if not shown:
        return nothing(finding)
    names = list(dict.fromkeys(p.name for m in shown for p in matrix.pressures(m)))
    figure = make_subplots(
        cols=len(shown),
        shared_xaxes="all",
        shared_yaxes=True,
        horizontal_spacing=0.02,
        column_titles=[heading(m) for m in shown],
    )
    figure.update_annotations(font_size=14)
    ends: list[float] = []
    for column, m in enumerate(shown, 1):
        for window in _WINDOW_LOOKS:
            ends += _add_window(figure, column, m, window, names)
    low, high = math.log10(max(min(ends), 0.01)), math.log10(max(max(ends), 0.02))
    figure.update_xaxes(
        type="log", range=[low - 0.1, high + 0.1], title_text="latency (ms, log)", dtick=1, tickformat=",~g"
    )
    figure.update_yaxes(
        tickvals=[-row for row in range(len(names))],
        ticktext=[capitalised(safe(name)) for name in names],
        range=[0.5 - len(names), 0.5],
        zeroline=False,
    )
    subtitle = "Mark: median. Line: from there to the 99th percentile, as far as so few samples tell."
    return finish(figure, finding, subtitle, 40 + 62 * len(names), legend_rows=1, column_titles=True)


def _add_window(figure: go.Figure, column: int, m: Measurement, window: str, names: Sequence[str]) -> list[float]:
    """One window's marks in one column; returns the values drawn, for the axis."""
    symbol, colour, offset = _WINDOW_LOOKS[window]
    found = [(p, p.ms[window]) for p in matrix.pressures(m) if p.ms[window]]
    middles = [percentile(ms, 50) for _, ms in found]
    tails = [percentile(ms, 99) for _, ms in found]
    hover = [
        f"{safe(p.name)}, {window}: median {milliseconds(middle)}, p99 {milliseconds(tail)}, {len(ms)} answers"
        for (p, ms), middle, tail in zip(found, middles, tails, strict=True)
    ]
    figure.add_trace(
        go.Scatter(
            x=middles,
            y=[offset - names.index(p.name) for p, _ in found],
            mode="markers",
            name=window,
            legendgroup=window,
            showlegend=column == 1,
            marker={"symbol": symbol, "size": 11, "color": colour, "line": {"width": 2, "color": colour}},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [max(tail - middle, 0) for middle, tail in zip(middles, tails, strict=True)],
                "arrayminus": [0] * len(middles),
                "thickness": 2,
                "width": 5,
                "color": colour,
            },
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        row=1,
        col=column,
    )
    return [*middles, *tails]


def _cells(m: Measurement) -> dict[str, tuple[str, str, str]]:
    """Verdict, word and what was observed, by the name of the probe or pressure."""
    cells: dict[str, tuple[str, str, str]] = {
        p.name: (p.verdict, VERDICTS[p.verdict][2], p.observed) for p in boxes.probes(m)
    }
    for p in matrix.pressures(m):
        ratio = f", {times(p.ratio)}" if p.ratio is not None and p.verdict != "not testable" else ""
        cells[p.name] = (p.verdict, f"{VERDICTS[p.verdict][2]}{ratio}", p.observed)
    return cells


def _absent(m: Measurement) -> tuple[str, str, str]:
    missing = matrix.unavailable(m)
    if missing is None:
        return "not testable", "not tried", "not tried"
    return "not testable", "not here", " ".join(missing)


def heading(m: Measurement) -> str:
    """What stands above a column: the name it was given, and what boxes it in."""
    label = sandbox_of(m)
    name = f"<b>{safe(capitalised(m.deployment))}</b>"
    return name if label.lower() == m.deployment.lower() else f"{name}<br>{safe(label)}"
