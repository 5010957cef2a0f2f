"""The search for the highest sustainable rate: each load's p99 with its interval, the goal, and the bracket found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import GREY, INK, finish, look, nothing, safe
from workbench.findings.rates import EXPERIMENT, between
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, entries, number
from workbench.records import Measurement

_VERDICTS = {
    "sustained": ("circle", "sustained"),
    "missed": ("x-thin-open", "missed"),
    "unclear": ("circle-open", "inside the noise"),
    "void": ("diamond-open", "generator late"),
}


def sustainable_rate(measured: Measured) -> go.Figure:
    """A panel for each deployment: p99 in ms by rate (requests/s, both log), what was sustained and what was missed."""
    finding = findings.sustainable_rate(measured)
    shown = [m for m in select(measured, EXPERIMENT).measurements if _trials(m)]
    if not shown:
        return nothing(finding)
    titles = [f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}<br>{safe(between(m))}" for m in shown]
    figure = make_subplots(rows=1, cols=len(shown), shared_yaxes=True, horizontal_spacing=0.03, column_titles=titles)
    figure.update_annotations(font_size=14)
    top = max(filter(None, (number(t.get("p99_ms")) for m in shown for t in _trials(m))), default=100.0) * 2
    marked: set[str] = set()
    for column, m in enumerate(shown, 1):
        for verdict in _VERDICTS:
            _loads(figure, column, m, verdict, top, marked)
        _band(figure, column, m)  # after them: plotly leaves out shapes in a panel that is still empty
        goal = number(m.detail.get("goal_ms"))
        if goal:
            figure.add_hline(y=goal, line={"dash": "dash", "color": INK, "width": 1.5}, row=1, col=column)
    rates = [rate for m in shown for t in _trials(m) if (rate := number(t.get("rate_per_s")))]
    figure.update_xaxes(
        type="log",
        title_text="rate (requests/s, log)",
        range=[math.log10(min(rates)) - 0.1, math.log10(max(rates)) + 0.1],
        dtick="D2",
        tickformat=",~g",
    )
    figure.update_yaxes(type="log", dtick=1, tickformat=",~g")
    figure.update_yaxes(title_text="p99 (ms, log)", row=1, col=1)
    subtitle = "Each mark is one load, with its p99's 95 % interval. Dashed: the goal. Grey: where the limit lies."
    return finish(figure, finding, subtitle, plot_height=320, legend_rows=1, column_titles=True)


def _trials(m: Measurement) -> list[Mapping[str, Any]]:
    return [trial for trial in entries(m.detail.get("trials")) if isinstance(trial, Mapping)]


def _band(figure: go.Figure, column: int, m: Measurement) -> None:
    low, high = number(m.detail.get("low_per_s")), number(m.detail.get("high_per_s"))
    if low and high:
        figure.add_vrect(x0=low, x1=high, fillcolor=GREY, opacity=0.18, line_width=0, row=1, col=column)


def _loads(figure: go.Figure, column: int, m: Measurement, verdict: str, top: float, marked: set[str]) -> None:
    chosen = [t for t in _trials(m) if t.get("verdict") == verdict]
    if not chosen:
        return
    colour, _, _ = look(m.deployment)
    symbol, words = _VERDICTS[verdict]
    points = [number(t.get("p99_ms")) or top for t in chosen]
    above = [max(0.0, (number(t.get("high_ms")) or top) - p) for t, p in zip(chosen, points, strict=True)]
    below = [max(0.0, p - (number(t.get("low_ms")) or p)) for t, p in zip(chosen, points, strict=True)]
    figure.add_trace(
        go.Scatter(
            x=[t.get("rate_per_s") for t in chosen],
            y=points,
            mode="markers",
            name=words,
            legendgroup=verdict,
            showlegend=verdict not in marked,
            marker={"size": 10, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
            error_y={"array": above, "arrayminus": below, "color": colour, "thickness": 1.2, "width": 3},
            customdata=[[t.get("why"), t.get("requests"), t.get("unanswered")] for t in chosen],
            hovertemplate="%{x:.3g}/s: p99 %{y:.3g} ms<br>%{customdata[0]}<br>%{customdata[1]} requests, "
            "%{customdata[2]} without a good answer<extra></extra>",
        ),
        row=1,
        col=column,
    )
    marked.add(verdict)
