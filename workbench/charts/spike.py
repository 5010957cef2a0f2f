"""A spike's requests on one time axis: when each was sent, and how it ended."""

from __future__ import annotations

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import GREEN, INK, ORANGE, PURPLE, VERMILLION, finish, nothing, safe
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.spike import ENDS, EXPERIMENT, ended
from workbench.findings.wording import capitalised, entries, number, numbers
from workbench.records import Measurement

_STEPS = 24
_LOOKS = {"in time": (GREEN, ""), "late": (PURPLE, "."), "throttled": (ORANGE, "/"), "failed": (VERMILLION, "x")}
_NAMES = {"in time": "in time", "late": "late", "throttled": "throttled (429)", "failed": "failed or given up"}


def spike(measured: Measured) -> go.Figure:
    """Requests a second by how they ended, stacked, over the time at which they were sent (s); instances below."""
    finding = findings.spike(measured)
    shown = [m for m in select(measured, EXPERIMENT).measurements if ended(m)]
    if not shown:
        return nothing(finding)
    figure = make_subplots(
        rows=2,
        cols=len(shown),
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.7, 0.3],
        vertical_spacing=0.07,
        horizontal_spacing=0.03,
        column_titles=[f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}" for m in shown],
    )
    figure.update_annotations(font_size=14)
    for column, m in enumerate(shown, 1):
        _requests(figure, column, m)
        _instances(figure, column, m)
    longest = max(number(m.detail.get("duration_s")) or 1.0 for m in shown)
    figure.update_xaxes(range=[0, longest])
    figure.update_xaxes(title_text="sent at (s since the spike began)", row=2)
    for row, most in enumerate((max(map(_rate, shown)), max(map(_most_instances, shown))), 1):
        figure.update_yaxes(range=[0, most * 1.12], nticks=5 if row == 1 else 3, row=row)
    figure.update_yaxes(title_text="requests/s", row=1, col=1)
    figure.update_yaxes(title_text="instances", row=2, col=1)
    figure.update_layout(barmode="stack", bargap=0)
    subtitle = "A bar is the requests sent in that moment, by how they ended, whenever that was."
    return finish(figure, finding, subtitle, plot_height=360, legend_rows=1, column_titles=True)


def _rate(m: Measurement) -> float:
    """Requests a second, on average: they are sent evenly."""
    return max(1.0, len(entries(m.detail.get("planned_s"))) / (number(m.detail.get("duration_s")) or 1.0))


def _most_instances(m: Measurement) -> float:
    found = [numbers(entry) for entry in entries(m.detail.get("instances"))]
    return max((pair[1] for pair in found if len(pair) == 2), default=1.0) or 1.0


def _requests(figure: go.Figure, column: int, m: Measurement) -> None:
    from workbench.experiments.spike import end

    width = (number(m.detail.get("duration_s")) or 1.0) / _STEPS
    goal_ms = number(m.detail.get("goal_ms")) or math.inf
    counted = {name: [0] * _STEPS for name in ENDS}
    rows = zip(*(entries(m.detail.get(key)) for key in ("planned_s", "latency_ms", "status")), strict=False)
    for planned, latency, status in rows:
        step = min(_STEPS - 1, int((number(planned) or 0.0) / width))
        counted[end(number(latency), str(status), goal_ms)][step] += 1
    for name, counts in counted.items():
        colour, shape = _LOOKS[name]
        figure.add_trace(
            go.Bar(
                x=[(step + 0.5) * width for step in range(_STEPS)],
                y=[count / width for count in counts],
                width=width,
                name=_NAMES[name],
                legendgroup=name,
                showlegend=column == 1,
                marker={"color": colour, "pattern": {"shape": shape, "size": 5}, "line": {"width": 0}},
                hovertemplate=f"sent at %{{x:.2f}} s: %{{y:.0f}}/s {name}<extra></extra>",
            ),
            row=1,
            col=column,
        )


def _instances(figure: go.Figure, column: int, m: Measurement) -> None:
    line = sorted((p[0], p[1]) for entry in entries(m.detail.get("instances")) if len(p := numbers(entry)) == 2)
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in line],
            y=[y for _, y in line],
            mode="lines",
            line={"shape": "hv", "color": INK, "width": 2},
            showlegend=False,
            hovertemplate="%{y} instances ready at %{x:.2f} s<extra></extra>",
        ),
        row=2,
        col=column,
    )
