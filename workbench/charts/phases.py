"""Cold starts, phase by phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import GREEN, INK, ORANGE, SKY, VERMILLION, finish, nothing, safe
from workbench.findings import cold
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, milliseconds, numbers, pair
from workbench.records import Measurement

_PHASE_LOOKS: dict[str, tuple[str, str]] = {
    "sandbox": (SKY, ""),
    "runtime_init": (ORANGE, "/"),
    "function_init": (GREEN, "."),
    "handler": (VERMILLION, "x"),
    "rest": ("#c8c8c8", "\\"),
}
_REST = "rest: the request's way, and what is not seen"


def cold_start(measured: Measured) -> go.Figure:
    """Cold starts in ms: median phases stacked, every sample a dot, p50 with 95 % interval; phases as shares."""
    finding, selection = findings.cold_start(measured), select(measured, "cold_start")
    shown = [m for m in selection.measurements if numbers(m.samples)]
    if not shown:
        return nothing(finding)
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.6, 0.4], horizontal_spacing=0.03)
    medians = [cold.phase_medians(m) for m in shown]
    widths = [sum(value for value in parts.values() if value is not None) for parts in medians]
    for key, (colour, pattern) in _PHASE_LOOKS.items():
        _add_phase(figure, key, colour, pattern, [m[key] for m in medians], widths)
    for row, m in enumerate(shown):
        _add_cold_samples(figure, row, m, widths[row])
    most = max(max(numbers(m.samples)) for m in shown)
    ticks = [f"<b>{safe(capitalised(name_of(m)))}</b><br>{safe(sandbox_of(m))}" for m in shown]
    figure.update_yaxes(
        tickvals=[-row for row in range(len(shown))],
        ticktext=ticks,
        range=[0.5 - len(shown), 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title_text="time from the call to the answer (ms)", range=[0, most * 1.16 or 1], col=1)
    figure.update_xaxes(title_text="share of the bar (%)", range=[0, 100], col=2)
    figure.update_layout(barmode="stack")
    subtitle = "Bars: median of each phase, which need not add up to the median of the whole. Dots: every cold start."
    return finish(figure, finding, subtitle, plot_height=60 + 95 * len(shown), legend_rows=2)


def _add_phase(
    figure: go.Figure, key: str, colour: str, pattern: str, values: Sequence[float | None], totals: Sequence[float]
) -> None:
    rows = [0.13 - row for row in range(len(values))]
    shares = [100 * (value or 0) / total if total else 0 for value, total in zip(values, totals, strict=True)]
    labels = [milliseconds(value) if share >= 11 else "" for value, share in zip(values, shares, strict=True)]
    name = cold.PHASES.get(key, _REST)
    look = {
        "color": colour,
        "line": {"color": "white", "width": 1},
        "pattern": {
            "shape": pattern,
            "fillmode": "overlay",
            "fgcolor": "white",
            "fgopacity": 0.75,
            "size": 7,
            "solidity": 0.2,
        },
    }
    common: dict[str, Any] = {
        "y": rows,
        "width": 0.4,
        "orientation": "h",
        "marker": look,
        "name": name,
        "legendgroup": key,
        "customdata": [milliseconds(value) for value in values],
        "hovertemplate": f"{name}: %{{customdata}}<extra></extra>",
    }
    figure.add_trace(go.Bar(x=[value or 0 for value in values], **common), row=1, col=1)
    figure.add_trace(go.Bar(x=shares, showlegend=False, **common), row=1, col=2)
    for y, share, start, label in zip(rows, shares, _starts(figure, len(values)), labels, strict=True):
        if label:
            figure.add_annotation(
                x=start - share / 2,
                y=y,
                text=label,
                showarrow=False,
                bgcolor="white",
                borderpad=2,
                opacity=0.92,
                font={"size": 12, "color": INK},
                row=1,
                col=2,
            )


def _starts(figure: go.Figure, rows: int) -> list[float]:
    """Where the share bars stacked so far end, one a row."""
    ends = [0.0] * rows
    for trace in figure.select_traces(selector={"type": "bar"}, col=2):
        ends = [end + float(x) for end, x in zip(ends, trace.x, strict=True)]
    return ends


def _add_cold_samples(figure: go.Figure, row: int, m: Measurement, width: float) -> None:
    values = numbers(m.samples)
    lane = -row - 0.27
    jitter = [lane + 0.07 * (((i * 7) % 5) / 2 - 1) for i in range(len(values))]
    figure.add_trace(
        go.Scatter(
            x=values,
            y=jitter,
            mode="markers",
            showlegend=row == 0,
            name="one cold start",
            marker={"size": 6, "color": "rgba(26,26,26,0.35)", "line": {"width": 0}},
            legendgroup="sample",
            hovertemplate="%{x:.3g} ms<extra></extra>",
        ),
        row=1,
        col=1,
    )
    middle, interval = cold.p50(m), pair(m.detail.get("ci95_ms"))
    if middle is None:
        return
    bars = None
    if interval:
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [max(interval[1] - middle, 0)],
            "arrayminus": [max(middle - interval[0], 0)],
            "thickness": 2,
            "width": 7,
            "color": INK,
        }
    figure.add_trace(
        go.Scatter(
            x=[middle],
            y=[lane],
            mode="markers",
            error_x=bars,
            showlegend=row == 0,
            name="median, 95 % interval",
            legendgroup="median",
            hovertemplate=f"median {milliseconds(middle)}<extra></extra>",
            marker={"size": 10, "symbol": "line-ns-open", "color": INK, "line": {"width": 3}},
        ),
        row=1,
        col=1,
    )
    figure.add_annotation(
        x=max(middle, width),
        y=0.13 - row,
        text=f"<b>{milliseconds(middle)}</b>",
        showarrow=False,
        xanchor="left",
        xshift=8,
        font={"size": 14},
        row=1,
        col=1,
    )
