"""A consumer's messages over time: published and handled, who listened, and when the connection was gone."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench import findings
from workbench.charts.style import GREY, INK, VERMILLION, faded, finish, look, nothing, safe
from workbench.findings.consumer import EXPERIMENT
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, entries, number, numbers
from workbench.records import Measurement


def consumer(measured: Measured) -> go.Figure:
    """Messages published, given out and handled (cumulative) over s, a panel for each deployment."""
    finding = findings.consumer(measured)
    shown = [m for m in select(measured, EXPERIMENT).measurements if numbers(m.detail.get("published_s"))]
    if not shown:
        return nothing(finding)
    figure = make_subplots(
        cols=len(shown),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        column_titles=[f"<b>{safe(capitalised(name_of(m)))}</b> · {safe(sandbox_of(m))}" for m in shown],
    )
    figure.update_annotations(font_size=14)
    end = max(_end(m) for m in shown)
    most = max(len(numbers(m.detail.get("published_s"))) for m in shown)
    for column, m in enumerate(shown, 1):
        _panel(figure, column, m, end, most)
    figure.update_xaxes(title_text="time since the first message (s)", range=[0, end])
    figure.update_yaxes(range=[0, most * 1.12], title_text=None)
    figure.update_yaxes(title_text="messages", row=1, col=1)
    subtitle = "Thin: published. Filled: handled. Dashed: out of the queue, given to the consumer."
    return finish(figure, finding, subtitle, plot_height=300, column_titles=True)


def _end(m: Measurement) -> float:
    depth = [found[0] for entry in entries(m.detail.get("depth")) if (found := numbers(entry))]
    times = [*numbers(m.detail.get("published_s")), *numbers(m.detail.get("handled_s")), *depth]
    return max(times) * 1.05 + 0.2


def _panel(figure: go.Figure, column: int, m: Measurement, end: float, most: int) -> None:
    colour, _, _ = look(m.deployment)
    published, handled = (sorted(numbers(m.detail.get(key))) for key in ("published_s", "handled_s"))
    given = _given(m, published, end)
    lines = (
        ("handled", _counted(handled, end), {"color": colour, "width": 2.5}, True),
        ("given out", given, {"color": GREY, "width": 2, "dash": "dash"}, False),
        ("published", _counted(published, end), {"color": INK, "width": 1.2}, False),
    )
    for name, points, line, fill in lines:
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                mode="lines",
                line={"shape": "hv", **line},
                fill="tozeroy" if fill else None,
                fillcolor=faded(colour) if fill else None,
                showlegend=False,
                hovertemplate=f"%{{x:.2f}} s: %{{y}} {name}<extra></extra>",
            ),
            row=1,
            col=column,
        )
    dropped = number(m.detail.get("dropped_s"))
    if dropped is not None:
        figure.add_vline(x=dropped, line={"dash": "dot", "color": VERMILLION, "width": 2}, row=1, col=column)
        figure.add_annotation(
            text="nobody listens",
            x=dropped,
            y=most * 1.1,
            xanchor="right",
            showarrow=False,
            xshift=-4,
            font={"color": VERMILLION},
            row=1,
            col=column,
        )


def _counted(times: list[float], end: float) -> list[tuple[float, int]]:
    return [(0.0, 0), *((at, number) for number, at in enumerate(times, 1)), (end, len(times))]


def _given(m: Measurement, published: list[float], end: float) -> list[tuple[float, float]]:
    """What was published by then and does not wait in the queue: with the consumer, or handled."""
    points = []
    changes = [found for entry in entries(m.detail.get("depth")) if len(found := numbers(entry)) == 3]
    for at in sorted({*published, *(change[0] for change in changes)}):
        waiting = next((change[1] for change in reversed(changes) if change[0] <= at), 0.0)
        points.append((at, max(0.0, sum(one <= at for one in published) - waiting)))
    return [*points, (end, points[-1][1])] if points else []
