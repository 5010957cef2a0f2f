"""Throughput and latency of one instance by how many requests it handles at a time."""

from __future__ import annotations

from statistics import median

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import BLUE, ORANGE, PURPLE, finish, nothing, safe
from workbench.findings.levels import EXPERIMENT, by_handler
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import numbers

_LOOKS = ((ORANGE, "dash", "square"), (BLUE, "solid", "circle"), (PURPLE, "dot", "diamond"))
_PANELS = (("per_s", "answers a second (log)"), ("median_ms", "half answered within (ms, log)"))


def concurrency(measured: Measured) -> go.Figure:
    """Two panels over the level (log): answers a second, and the median latency in ms; a line for each handler."""
    finding = findings.concurrency(measured)
    found = by_handler(select(measured, EXPERIMENT).measurements)
    if not found:
        return nothing(finding)
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    levels = sorted({level for by_level in found.values() for level in by_level})
    for column, (key, title) in enumerate(_PANELS, 1):
        for (name, by_level), (colour, dash, symbol) in zip(found.items(), _LOOKS, strict=False):
            rounds = [numbers(m.detail[key]) for m in by_level.values()]
            middles = [median(values) for values in rounds]
            figure.add_trace(
                go.Scatter(
                    x=list(by_level),
                    y=middles,
                    mode="lines+markers",
                    name=f"a handler that {safe(name)}",
                    legendgroup=name,
                    showlegend=column == 1,
                    line={"color": colour, "dash": dash, "width": 2.5},
                    marker={"size": 10, "symbol": symbol},
                    error_y={
                        "array": [max(values) - middle for values, middle in zip(rounds, middles, strict=True)],
                        "arrayminus": [middle - min(values) for values, middle in zip(rounds, middles, strict=True)],
                        "thickness": 1.2,
                        "width": 4,
                    },
                    hovertemplate=f"%{{x}} at a time: %{{y:.3g}}<extra>{safe(name)}</extra>",
                ),
                row=1,
                col=column,
            )
        figure.update_yaxes(title_text=title, type="log", dtick="D2", tickformat=",~g", row=1, col=column)
        figure.update_xaxes(title_text="requests handled at a time", type="log", tickvals=levels, row=1, col=column)
    subtitle = "Mark: median of the rounds; line through it: the lowest and the highest of them."
    return finish(figure, finding, subtitle, plot_height=300, legend_rows=1)
