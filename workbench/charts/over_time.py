"""A load over time on one axis: requests a second, the queue, what was refused or failed, and instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import INK, ORANGE, VERMILLION, faded, finish, look, nothing, safe
from workbench.findings.over_time import flow_of
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, entries, number, numbers
from workbench.records import Measurement

if TYPE_CHECKING:
    from workbench.experiments.flow import Flow

_ROWS = ("requests/s", "waiting", "refused or<br>failed/s", "instances")
_BAD = (("throttled", ORANGE, "/"), ("failed", VERMILLION, "x"))


def over_time(measured: Measured) -> go.Figure:
    """Small panels above one another, a column for each deployment, all on the time since the load's start (s)."""
    finding = findings.over_time(measured)
    shown = [(m, found) for m in select(measured, "scaling").measurements if (found := flow_of(m)) is not None]
    if not shown:
        return nothing(finding)
    figure = make_subplots(
        rows=len(_ROWS),
        cols=len(shown),
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.3, 0.26, 0.18, 0.26],
        vertical_spacing=0.05,
        horizontal_spacing=0.03,
        column_titles=[f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}" for m, _ in shown],
    )
    figure.update_annotations(font_size=14)
    for column, (m, found) in enumerate(shown, 1):
        colour, _, _ = look(m.deployment)
        _steps(figure, 1, column, found, _per_second(found, found.answered), "answered", colour, fill=True)
        _steps(figure, 1, column, found, _per_second(found, found.planned), "planned", INK, fill=False)
        _steps(figure, 2, column, found, found.waiting, "waiting", colour, fill=True)
        _unanswered(figure, column, found)
        _instances(figure, column, m)
        _goal_met(figure, column, m)
    longest = max(len(found.planned) * found.every_s for _, found in shown)
    figure.update_xaxes(range=[0, longest], nticks=7)
    figure.update_xaxes(title_text="time since the load's start (s)", row=len(_ROWS))
    for row, (name, most) in enumerate(zip(_ROWS, _most(shown), strict=True), 1):
        figure.update_yaxes(range=[0, most * 1.15 or 1], nticks=4, row=row)
        figure.update_yaxes(title_text=name, row=row, col=1)
    figure.update_layout(barmode="stack")
    subtitle = "Thin line: planned. Filled: answered. Dotted: from here on the latency goal was met."
    return finish(figure, finding, subtitle, plot_height=470, legend_rows=1, column_titles=True)


def _most(shown: Sequence[tuple[Measurement, Flow]]) -> tuple[float, ...]:
    """The highest value in each row of panels."""
    rates = [max(_per_second(found, (*found.planned, *found.answered))) for _, found in shown]
    bad = [max(_per_second(f, [a + b for a, b in zip(f.throttled, f.failed, strict=True)])) for _, f in shown]
    instances = [
        p[1] for m, _ in shown for entry in entries(m.detail.get("instances")) if len(p := numbers(entry)) == 2
    ]
    return max(rates), max(max(found.waiting) for _, found in shown), max(bad), max(instances, default=1)


def _per_second(found: Flow, column: Sequence[int]) -> list[float]:
    return [count / found.every_s for count in column]


def _steps(
    figure: go.Figure,
    row: int,
    column: int,
    found: Flow,
    values: Sequence[float],
    name: str,
    colour: str,
    *,
    fill: bool,
) -> None:
    edges = [k * found.every_s for k in range(len(values) + 1)]
    figure.add_trace(
        go.Scatter(
            x=edges,
            y=[*values, values[-1]],
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2 if fill else 1.2},
            fill="tozeroy" if fill else None,
            fillcolor=faded(colour) if fill else None,
            showlegend=False,
            hovertemplate=f"%{{x:.2f}} s: %{{y:.3g}} {name}<extra></extra>",
        ),
        row=row,
        col=column,
    )


def _unanswered(figure: go.Figure, column: int, found: Flow) -> None:
    if not any(found.throttled) and not any(found.failed):
        figure.add_annotation(
            text="none", x=0, y=0, showarrow=False, xanchor="left", yanchor="bottom", row=3, col=column
        )
    middles = [(k + 0.5) * found.every_s for k in range(len(found.planned))]
    for name, colour, shape in _BAD:
        figure.add_trace(
            go.Bar(
                x=middles,
                y=_per_second(found, getattr(found, name)),
                width=found.every_s,
                name={"throttled": "throttled (429)", "failed": "failed, timed out or dropped"}[name],
                legendgroup=name,
                showlegend=column == 1,
                marker={"color": colour, "pattern": {"shape": shape, "size": 5}},
                hovertemplate=f"%{{x:.2f}} s: %{{y:.3g}} {name}<extra></extra>",
            ),
            row=3,
            col=column,
        )


def _instances(figure: go.Figure, column: int, m: Measurement) -> None:
    line = sorted((p[0], p[1]) for entry in entries(m.detail.get("instances")) if len(p := numbers(entry)) == 2)
    if not line:
        figure.add_annotation(text="not seen", x=0, y=0, showarrow=False, xanchor="left", row=4, col=column)
        return
    colour, _, _ = look(m.deployment)
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in line],
            y=[y for _, y in line],
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2.5},
            fill="tozeroy",
            fillcolor=faded(colour),
            showlegend=False,
            hovertemplate="%{y} instances at %{x:.2f} s<extra></extra>",
        ),
        row=4,
        col=column,
    )


def _goal_met(figure: go.Figure, column: int, m: Measurement) -> None:
    reached = number(m.detail.get("time_to_goal_s"))
    if reached:  # at zero there is no moment to mark
        for row in range(1, len(_ROWS) + 1):
            figure.add_vline(x=reached, line={"dash": "dot", "color": INK, "width": 1.5}, row=row, col=column)
