"""Distributions of times, a row each: every sample a dot, quartiles as a box, the median in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import plotly.graph_objects as go

from workbench.charts.style import BLUE, GREY, INK, VERMILLION, faded, safe
from workbench.findings.wording import milliseconds, shortened
from workbench.statistics import percentile

ROW_HEIGHT = 66

FEWEST_FOR_BOX = 5
"""Of fewer samples quartiles say nothing that the dots do not."""

LOG_FROM = 15
"""Where the longest time is so many times the shortest, a logarithmic axis shows both."""

SUBTITLE = "Dots: every sample. Box: the middle half, with the median as a line and in words."


@dataclass(frozen=True)
class Row:
    """One distribution in ms; `first` are samples that stand apart, `reason` says why there are none."""

    label: str
    values: Sequence[float]
    first: Sequence[float] = ()
    reason: str = ""


def strips(rows: Sequence[Row], title: str) -> go.Figure:
    """The rows from the top, over one axis of milliseconds called `title`, logarithmic where they differ much."""
    figure = go.Figure()
    for place, row in enumerate(rows):
        if len(row.values) >= FEWEST_FOR_BOX:
            figure.add_trace(_box(-place + 0.12, row.values))
    _add_dots(figure, rows)
    times = [value for row in rows for value in [*row.values, *row.first]]
    logarithmic = bool(times) and 0 < min(times) < max(times) / LOG_FROM
    for place, row in enumerate(rows):
        _add_words(figure, -place, row, logarithmic)
    if logarithmic:
        span = [log10(min(times) * 0.8), log10(max(times))]
        span[1] += 0.14 * (span[1] - span[0])  # room for the words at the longest row's end
        figure.update_xaxes(type="log", range=span, tickformat=",", dtick=1 if span[1] - span[0] > 2 else "D2")
    else:
        figure.update_xaxes(range=[0, max(times, default=0) * 1.2 or 1], tickformat=",")
    figure.update_xaxes(title_text=f"{title} (ms, logarithmic)" if logarithmic else f"{title} (ms)")
    figure.update_yaxes(
        tickvals=[-place for place in range(len(rows))],
        ticktext=["<br>".join(safe(line) for line in textwrap.wrap(row.label, 18)) for row in rows],
        range=[0.5 - len(rows), 0.5],
        showgrid=False,
        zeroline=False,
    )
    return figure


def _box(y: float, values: Sequence[float]) -> go.Box:
    return go.Box(
        x=list(values),
        y0=y,
        orientation="h",
        boxpoints=False,
        width=0.34,
        showlegend=False,
        line={"color": BLUE, "width": 2},
        fillcolor=faded(BLUE),
        hoverinfo="skip",
    )


def _add_dots(figure: go.Figure, rows: Sequence[Row]) -> None:
    dots = [(-p, i, value) for p, row in enumerate(rows) for i, value in enumerate(row.values)]
    figure.add_trace(
        go.Scatter(
            x=[value for _, _, value in dots],
            y=[y - 0.24 + 0.05 * (((i * 7) % 5) / 2 - 1) for y, i, _ in dots],
            mode="markers",
            name="one sample",
            marker={"size": 6, "color": "rgba(26,26,26,0.45)"},
            hovertemplate="%{x:.3g} ms<extra></extra>",
        )
    )
    apart = [(-p, value) for p, row in enumerate(rows) for value in row.first]
    if apart:
        figure.add_trace(
            go.Scatter(
                x=[value for _, value in apart],
                y=[y - 0.24 for y, _ in apart],
                mode="markers",
                name="the first after deploying, apart",
                marker={"size": 9, "symbol": "diamond-open", "color": VERMILLION, "line": {"width": 2}},
                hovertemplate="first: %{x:.3g} ms<extra></extra>",
            )
        )


def _add_words(figure: go.Figure, y: float, row: Row, logarithmic: bool) -> None:
    if not row.values:
        words = safe(shortened(f"not possible here: {row.reason}", 90))
        figure.add_annotation(
            xref="paper", x=0.01, y=y, text=words, showarrow=False, xanchor="left", font={"color": GREY}
        )
        return
    end = max(row.values)
    figure.add_annotation(
        x=log10(end) if logarithmic else end,
        y=y + 0.12,
        text=f"<b>{milliseconds(percentile(row.values, 50))}</b>",
        showarrow=False,
        xanchor="left",
        xshift=10,
        font={"size": 14, "color": INK},
    )
