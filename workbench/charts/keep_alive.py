"""How the idle expiry was found: every wait, whether it ended warm or cold, and the bracket that is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import BLUE, INK, ORANGE, VERMILLION, faded, finish, nothing
from workbench.findings import expiry
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import entries, seconds

_LOOKS: tuple[tuple[bool, str, str, str], ...] = (
    (False, "circle", BLUE, "warm: the same instance answered"),
    (True, "x", VERMILLION, "cold: a new instance answered"),
)


def keep_alive(measured: Measured) -> go.Figure:
    """Each wait of a keep-alive probe in seconds, in the order tried; the bracket as a band."""
    finding, selection = findings.keep_alive(measured), select(measured, "keep_alive")
    tries = entries(selection.measurements[0].detail.get("tries")) if selection.measurements else []
    if not tries:
        return nothing(finding)
    rounds = _rounds(tries)
    figure = go.Figure()
    for cold, symbol, colour, name in _LOOKS:
        _add_tries(figure, [(r, t) for r, t in zip(rounds, tries, strict=True) if t[3] is cold], symbol, colour, name)
    low, high = expiry.bounds(selection.measurements[0])
    most = max(t[2] for t in tries)
    if high is not None:
        figure.add_vrect(x0=low, x1=high, fillcolor=faded(ORANGE), line={"color": INK, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=(low + high) / 2,
            y=0.2,
            text=f"<b>{seconds(low)} to {seconds(high)}</b>",
            showarrow=False,
            yanchor="bottom",
            bgcolor="white",
            font={"size": 14},
        )
    figure.update_xaxes(title_text="time without a call (s)", range=[0, most * 1.12], zeroline=False)
    figure.update_yaxes(
        title_text="round",
        range=[max(rounds) + 0.6, -0.4],
        tickvals=list(range(1, max(rounds) + 1)),
        zeroline=False,
    )
    subtitle = "A mark: idle for so long at least; the line to its right: at most. Band: where the expiry lies."
    return finish(figure, finding, subtitle, plot_height=70 + 30 * max(rounds), legend_rows=1)


def _rounds(tries: Sequence[Any]) -> list[int]:
    """The number of the round that each try belongs to: those of one gap, one after another."""
    numbers, number, gap = [], 0, None
    for one in tries:
        if one[0] != gap:
            number, gap = number + 1, one[0]
        numbers.append(number)
    return numbers


def _add_tries(figure: go.Figure, found: Sequence[tuple[int, Any]], symbol: str, colour: str, name: str) -> None:
    places = [0.11 * (place % 3 - 1) for place in range(len(found))]
    figure.add_trace(
        go.Scatter(
            x=[t[1] for _, t in found],
            y=[r + place for (r, _), place in zip(found, places, strict=True)],
            mode="markers",
            name=name,
            marker={"size": 9, "symbol": symbol, "color": colour},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [t[2] - t[1] for _, t in found],
                "arrayminus": [0] * len(found),
                "color": colour,
                "thickness": 1.5,
                "width": 0,
            },
            hovertemplate="idle for %{x:.3f} s at least<extra></extra>",
        )
    )
