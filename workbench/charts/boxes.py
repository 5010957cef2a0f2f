"""What the isolation probes saw, and what a noisy neighbour does."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import BLUE, GREY, INK, VERMILLION, finish, look, nothing, safe
from workbench.findings import boxes
from workbench.findings.selecting import Measured, name_of, sandbox_of, select
from workbench.findings.wording import capitalised, times

VERDICTS: dict[str, tuple[str, str, str, float]] = {
    "held": ("circle", BLUE, "held", 0.0),
    "broken": ("x", VERMILLION, "broken", 0.5),
    "not testable": ("line-ew-open", GREY, "not testable", 1.0),
}
TINTS = (
    (0.0, "#d6e9f5"),
    (0.33, "#d6e9f5"),
    (0.33, "#fbdccb"),
    (0.67, "#fbdccb"),
    (0.67, "#efefef"),
    (1.0, "#efefef"),
)


def isolation(measured: Measured) -> go.Figure:
    """Isolation probes by deployment: held, broken or not testable, by symbol and word as well as colour."""
    finding, selection = findings.isolation(measured), select(measured, "isolation")
    shown = [m for m in selection.measurements if boxes.probes(m)]
    questions = {p.name: p.question for m in shown for p in boxes.probes(m)}
    if not questions:
        return nothing(finding)
    keys = list(questions)
    levels: list[list[float | None]] = [[None] * len(shown) for _ in keys]
    figure = go.Figure()
    marks: dict[str, list[tuple[int, int, str, str]]] = {verdict: [] for verdict in VERDICTS}
    for column, m in enumerate(shown):
        for probe in boxes.probes(m):
            levels[keys.index(probe.name)][column] = VERDICTS[probe.verdict][3]
            marks[probe.verdict].append((column, keys.index(probe.name), VERDICTS[probe.verdict][2], probe.observed))
    add_tints(figure, levels)
    for verdict, cells in marks.items():
        add_verdicts(figure, verdict, cells)
    columns = [f"<b>{safe(capitalised(name_of(m)))}</b><br>{safe(sandbox_of(m))}" for m in shown]
    wrapped = ["<br>".join(safe(line) for line in textwrap.wrap(questions[key], 44)) for key in keys]
    figure.update_xaxes(tickvals=list(range(len(shown))), ticktext=columns, side="top", showgrid=False, zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(keys))), ticktext=wrapped, range=[len(keys) - 0.5, -0.5], showgrid=False, zeroline=False
    )
    lines = sum(max(text.count("<br>") + 1, 2) for text in wrapped)
    return finish(figure, finding, "Asked from inside the service, beside a neighbour.", 22 * lines + 10, x_on_top=True)


def add_tints(figure: go.Figure, levels: list[list[float | None]]) -> None:
    """The cells of a grid, tinted by verdict (the last of each of VERDICTS)."""
    figure.add_trace(
        go.Heatmap(
            z=levels,
            zmin=0,
            zmax=1,
            colorscale=[list(t) for t in TINTS],
            showscale=False,
            xgap=4,
            ygap=4,
            hoverinfo="skip",
        )
    )


def add_verdicts(
    figure: go.Figure, verdict: str, cells: Sequence[tuple[int, int, str, str]], left: float = 0.28, size: int = 14
) -> None:
    """One verdict's symbol, with a word, in each of its cells (column, row, word, what the hover says)."""
    symbol, colour, _, _ = VERDICTS[verdict]
    figure.add_trace(
        go.Scatter(
            x=[x - left for x, _, _, _ in cells],
            y=[y for _, y, _, _ in cells],
            mode="markers+text",
            text=[f"  {safe(word)}" for _, _, word, _ in cells],
            textposition="middle right",
            textfont={"size": size, "color": INK},
            showlegend=False,
            marker={"symbol": symbol, "size": size - 1, "color": colour, "line": {"width": 2, "color": colour}},
            hovertext=["<br>".join(safe(line) for line in textwrap.wrap(seen, 70)) for _, _, _, seen in cells],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )


def noisy_neighbour(measured: Measured) -> go.Figure:
    """Median latency beside a noisy neighbour over alone, per deployment, with its 95 % interval; 1 is no effect."""
    finding, selection = findings.noisy_neighbour(measured), select(measured, "isolation")
    shown = [(m, effect) for m in selection.measurements if (effect := boxes.noise(m))]
    if not shown:
        return nothing(finding)
    figure = go.Figure()
    ends = [1.0]
    for row, (m, effect) in enumerate(shown):
        colour, _, symbol = look(m.deployment)
        low, high = effect.interval or (effect.ratio, effect.ratio)
        ends += [low, high, effect.ratio]
        word = {"slower": "slowed", "faster": "faster"}.get(effect.verdict, effect.verdict)
        span = f" ({times(low)[:-1]}–{times(high)})" if effect.interval else " (no interval)"
        figure.add_trace(
            go.Scatter(
                x=[effect.ratio],
                y=[-row],
                mode="markers",
                showlegend=False,
                hovertemplate="%{x:.3g}×<extra></extra>",
                marker={"size": 14, "symbol": symbol, "color": colour, "line": {"width": 1, "color": INK}},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(high - effect.ratio, 0)],
                    "arrayminus": [max(effect.ratio - low, 0)],
                    "thickness": 2.5,
                    "width": 8,
                    "color": INK,
                },
            )
        )
        figure.add_annotation(
            x=max(high, effect.ratio),
            y=-row,
            text=f"<b>{times(effect.ratio)}</b>{span}: {word}",
            showarrow=False,
            xanchor="left",
            xshift=14,
            font={"size": 14},
        )
    figure.add_vline(x=1, line={"dash": "dash", "color": INK, "width": 1.5})
    span_x = max(max(ends) - min(ends), 0.2)
    ticks = [f"<b>{safe(capitalised(name_of(m)))}</b><br>{safe(sandbox_of(m))}" for m, _ in shown]
    figure.update_yaxes(
        tickvals=[-row for row in range(len(shown))],
        ticktext=ticks,
        range=[0.5 - len(shown), 0.5],
        showgrid=False,
        zeroline=False,
    )
    # A third of the width stays free on the right for the labels.
    figure.update_xaxes(
        title_text="median latency beside the neighbour ÷ alone",
        range=[min(ends) - 0.08 * span_x, max(ends) + 0.6 * span_x],
        zeroline=False,
    )
    subtitle = "Mark: ratio of medians. Bar: its 95 % interval. Dashed: no effect."
    return finish(figure, finding, subtitle, plot_height=40 + 62 * len(shown))
