"""A counter's answers in the order asked, against the straight line of a correct one."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import GREY, INK, finish, look, nothing, safe
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.state import EXPERIMENT
from workbench.findings.wording import capitalised, entries
from workbench.records import Measurement

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "x", "pentagon")


def state(measured: Measured) -> go.Figure:
    """The count answered, by the number of the visit; a mark's shape is the instance."""
    finding = findings.state(measured)
    shown = [m for m in select(measured, EXPERIMENT).measurements if m.samples]
    if not shown:
        return nothing(finding)
    figure = make_subplots(
        cols=len(shown),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        column_titles=[f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}" for m in shown],
    )
    figure.update_annotations(font_size=14)
    most = max(len(m.samples) for m in shown)
    for column, m in enumerate(shown, 1):
        _panel(figure, column, m, most)
    figure.update_xaxes(title_text="visit number", range=[0, most + 1])
    figure.update_yaxes(range=[0, most * 1.12])
    figure.update_yaxes(title_text="count answered", row=1, col=1)
    subtitle = "Thin line: what a correct counter says. A shape is an instance. Dotted: what was changed."
    return finish(figure, finding, subtitle, plot_height=320, column_titles=True)


def _panel(figure: go.Figure, column: int, m: Measurement, most: int) -> None:
    colour, _, _ = look(m.deployment)
    figure.add_trace(
        go.Scatter(
            x=[1, most], y=[1, most], mode="lines", line={"color": INK, "width": 1}, showlegend=False, hoverinfo="skip"
        ),
        row=1,
        col=column,
    )
    instances = [str(name) for name in entries(m.detail.get("instance"))]
    for place, name in enumerate(dict.fromkeys(instances)):
        visits = [
            (at + 1, count) for at, (count, by) in enumerate(zip(m.samples, instances, strict=False)) if by == name
        ]
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in visits],
                y=[y for _, y in visits],
                mode="markers",
                marker={"color": colour, "symbol": _SYMBOLS[place % len(_SYMBOLS)], "size": 8},
                showlegend=False,
                hovertemplate=f"visit %{{x}}: instance {safe(name)} says %{{y}}<extra></extra>",
            ),
            row=1,
            col=column,
        )
    stretch = [str(one) for one in entries(m.detail.get("stretch"))]
    for name in dict.fromkeys(stretch):
        first = stretch.index(name)
        if first:
            figure.add_vline(x=first + 0.5, line={"dash": "dot", "color": GREY, "width": 1.2}, row=1, col=column)
        figure.add_annotation(
            text=safe(name),
            x=first + 0.6,
            y=most * 1.1,
            xanchor="left",
            yanchor="top",
            showarrow=False,
            font={"size": 12, "color": GREY},
            row=1,
            col=column,
        )
