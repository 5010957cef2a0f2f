"""What a wall costs: probes held against the time that a new instance takes to start."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from workbench.charts.style import BLUE, GREY, INK, finish, nothing, safe
from workbench.findings import wall_price
from workbench.findings.selecting import Measured
from workbench.findings.wording import milliseconds
from workbench.records import Measurement, Run


def walls(here: Measured, elsewhere: Measured = ()) -> go.Figure:
    """Probes held by the median start in ms (log), a mark a sandbox: filled as measured here, open as recorded."""
    here, elsewhere = (m if isinstance(m, Run | Measurement) else tuple(m) for m in (here, elsewhere))
    finding = wall_price.walls(here, elsewhere)
    groups = {name: wall_price.priced(m) for name, m in (("here", here), ("recorded", elsewhere))}
    marks = [p for found in groups.values() for p in found]
    if not marks:
        return nothing(finding)
    figure = go.Figure()
    for name, found in groups.items():
        symbol, colour, place = (
            ("circle", BLUE, "top center") if name == "here" else ("circle-open", GREY, "bottom center")
        )
        figure.add_trace(
            go.Scatter(
                x=[p.start_ms for p in found],
                y=[p.held for p in found],
                mode="markers+text",
                name="measured here" if name == "here" else "recorded elsewhere",
                text=[f"{safe(p.name)}" for p in found],
                textposition=place,
                textfont={"size": 13.5, "color": INK if name == "here" else GREY},
                marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2, "color": colour}},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [p.interval[1] - p.start_ms if p.interval else 0 for p in found],
                    "arrayminus": [p.start_ms - p.interval[0] if p.interval else 0 for p in found],
                    "thickness": 2,
                    "width": 6,
                    "color": colour,
                },
                hovertext=[f"{safe(p.name)}: {p.held} of {p.tried} held, {milliseconds(p.start_ms)}" for p in found],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    ends = [math.log10(max(p.start_ms, 0.01)) for p in marks]
    figure.update_xaxes(
        type="log",
        title_text="start of a new instance to its first answer (ms, log)",
        range=[min(ends) - 0.35, max(ends) + 0.35],
        dtick=1,
        tickformat=",~g",
    )
    most = max(p.tried for p in marks)
    figure.update_yaxes(title_text=f"probes held, of {most}", range=[-1.2, most + 1.5], dtick=4, zeroline=False)
    subtitle = "Up: more walls. Left: quicker. Mark: median of the starts; line: its 95 % interval."
    return finish(figure, finding, subtitle, 380, legend_rows=1)
