"""A burst: every request by its planned sending, and the instances that came for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import INK, ORANGE, PURPLE, VERMILLION, faded, finish, look, nothing, safe
from workbench.findings import burst
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, entries, number, numbers, seconds
from workbench.findings.wording import goal as wording_goal
from workbench.records import Measurement

_FAILURES: dict[str, tuple[str, str]] = {
    "throttled": (ORANGE, "triangle-up-open"),
    "error": (VERMILLION, "x-thin-open"),
    "timeout": (PURPLE, "square-open"),
    "dropped": (INK, "diamond-open"),
}
_MOST_POINTS = 3000  # per deployment: more would be a blot, and megabytes in the report


def scaling(measured: Measured) -> go.Figure:
    """A burst per deployment: latency in ms of every request by planned send time (s), instances below on that axis."""
    finding, selection = findings.scaling(measured), select(measured, "scaling")
    shown = [m for m in selection.measurements if numbers(m.detail.get("planned_s"))]
    if not shown:
        return nothing(finding)
    figure = make_subplots(
        rows=2,
        cols=len(shown),
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.7, 0.3],
        vertical_spacing=0.06,
        horizontal_spacing=0.03,
        column_titles=[_column_title(m) for m in shown],
    )
    figure.update_annotations(font_size=14)
    low, high = _latency_range(shown)
    marked: set[str] = set()
    for column, m in enumerate(shown, 1):
        thinned = _add_requests(figure, column, m, high, marked)
        _add_goal(figure, column, m)
        _add_instances(figure, column, m)
        if thinned > 1:
            finding = findings.Finding(
                finding.title,
                finding.reading,
                (*finding.notes, f"{capitalised(name_of(m))}: 1 answer in {thinned} drawn."),
                finding.provenance,
            )
    longest = max((max(numbers(m.detail.get("planned_s")), default=0) for m in shown), default=1) or 1
    figure.update_xaxes(range=[-0.02 * longest, 1.02 * longest], nticks=7)
    figure.update_xaxes(title_text="planned send time (s)", row=2)
    figure.update_yaxes(type="log", range=[math.log10(low), math.log10(high) + 0.16], dtick=1, tickformat=",~g", row=1)
    figure.update_yaxes(title_text="latency (ms, log)", row=1, col=1)
    most = max((y for m in shown for _, y in _steps(m, longest)), default=1)
    figure.update_yaxes(range=[0, most * 1.18 or 1], nticks=4, row=2)
    figure.update_yaxes(title_text="instances", row=2, col=1)
    subtitle = (
        "Each dot is one request, timed from its planned sending. Dashed: the goal. Marks along the top: no answer."
    )
    return finish(figure, finding, subtitle, plot_height=400, legend_rows=1 if marked else 0, column_titles=True)


def _latency_range(shown: Sequence[Measurement]) -> tuple[float, float]:
    values = [v for m in shown for v in (*numbers(m.detail.get("latency_ms")), *numbers([burst.goal_of(m)])) if v > 0]
    return (min(values) * 0.8, max(values) * 1.5) if values else (1.0, 1000.0)


def _add_requests(figure: go.Figure, column: int, m: Measurement, high: float, marked: set[str]) -> int:
    planned = entries(m.detail.get("planned_s"))
    latency, status = entries(m.detail.get("latency_ms")), entries(m.detail.get("status"))
    answered: list[tuple[float, float]] = []
    failed: dict[str, list[float]] = {}
    for at, took, end in zip(planned, latency, status, strict=False):
        when, value = number(at), number(took)
        if when is None:
            continue
        if end == burst.ANSWERED and value is not None:
            answered.append((when, max(value, 0.01)))
        elif end != burst.ANSWERED:
            failed.setdefault(str(end), []).append(when)
    step = -(-len(answered) // _MOST_POINTS) or 1
    colour, _, symbol = look(m.deployment)
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in answered[::step]],
            y=[y for _, y in answered[::step]],
            mode="markers",
            showlegend=False,
            marker={"size": 5, "color": colour, "symbol": symbol, "opacity": 0.55, "line": {"width": 0}},
            hovertemplate="sent at %{x:.2f} s: %{y:.3g} ms<extra></extra>",
        ),
        row=1,
        col=column,
    )
    for level, (name, times_) in enumerate(sorted(failed.items())):
        mark_colour, mark = _FAILURES.get(name, (INK, "cross-open"))
        figure.add_trace(
            go.Scatter(
                x=times_,
                y=[high * (1 + 0.12 * level)] * len(times_),
                mode="markers",
                name=f"{safe(name)}, no answer",
                legendgroup=name,
                showlegend=name not in marked,
                hovertemplate=f"{safe(name)} at %{{x:.2f}} s<extra></extra>",
                marker={"size": 9, "color": mark_colour, "symbol": mark, "line": {"width": 1.6, "color": mark_colour}},
            ),
            row=1,
            col=column,
        )
        marked.add(name)
    return step


def _add_goal(figure: go.Figure, column: int, m: Measurement) -> None:
    goal, reached = burst.goal_of(m), number(m.detail.get("time_to_goal_s"))
    if goal is None or goal <= 0:
        return
    figure.add_hline(y=goal, line={"dash": "dash", "color": INK, "width": 1.5}, row=1, col=column)
    if reached:  # at zero there is no moment to mark
        figure.add_vline(x=reached, line={"dash": "dot", "color": INK, "width": 1.5}, row=1, col=column)


def _column_title(m: Measurement) -> str:
    goal, reached = burst.goal_of(m), number(m.detail.get("time_to_goal_s"))
    said = "not met" if reached is None else f"met after {seconds(reached)}" if reached else "met at once"
    name = f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}"
    return name if goal is None else f"{name}<br>goal {wording_goal(goal)}: {said}"


def _steps(m: Measurement, end: float) -> list[tuple[float, float]]:
    steps = sorted(
        (found[0], found[1]) for entry in entries(m.detail.get("instances")) if len(found := numbers(entry)) == 2
    )
    return [*steps, (max(end, steps[-1][0]), steps[-1][1])] if steps else []


def _add_instances(figure: go.Figure, column: int, m: Measurement) -> None:
    steps = _steps(m, max(numbers(m.detail.get("planned_s")), default=0))
    colour, _, _ = look(m.deployment)
    if not steps:
        figure.add_annotation(text="not seen", x=0, y=0.5, showarrow=False, xanchor="left", row=2, col=column)
        return
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in steps],
            y=[y for _, y in steps],
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2.5},
            fill="tozeroy",
            fillcolor=faded(colour),
            showlegend=False,
            hovertemplate="%{y} instances at %{x:.2f} s<extra></extra>",
        ),
        row=2,
        col=column,
    )
