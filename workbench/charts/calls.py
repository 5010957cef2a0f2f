"""Calls that came in while something happened to a deployment: who answered each, and which failed."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.charts.style import INK, VERMILLION, finish, look, nothing, safe
from workbench.experiments.traffic import Call
from workbench.findings.finding import Finding

_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
_COLOURS = tuple(look(name)[0] for name in ("serverless", "container", "vm", "snapshot"))
_NOBODY = "no answer"


def calls(made: Sequence[Call], tell: str = "total") -> go.Figure:
    """One mark a call: when it was sent (s, from the first), which instance answered; `tell` names versions apart.

    `tell` is a field of the answer that differs between versions. A line leads to when the answer came.
    """
    if not made:
        return nothing(Finding("No call was made", (), (), "nothing was measured"))
    start = min(c.at_s for c in made)
    failed = [c for c in made if c.failure]
    answered = [c for c in made if not c.failure]
    names = _names(answered)
    versions = list(dict.fromkeys(_version(c, tell) for c in answered))
    figure = go.Figure()
    for place, version in enumerate(versions):
        mine = [c for c in answered if _version(c, tell) == version]
        _add(figure, mine, start, [names[c.instance_id] for c in mine], f"{tell} {version}", place)
    if failed:
        figure.add_trace(
            go.Scatter(
                x=[c.at_s - start for c in failed],
                y=[_NOBODY] * len(failed),
                mode="markers",
                name="failed",
                marker={"symbol": "x-thin-open", "size": 11, "color": VERMILLION, "line": {"width": 2}},
                hovertext=[safe(c.failure) for c in failed],
                hoverinfo="x+text",
            )
        )
    rows = [*names.values(), *([_NOBODY] if failed else [])]
    figure.update_yaxes(categoryorder="array", categoryarray=rows[::-1], title_text="")
    end = max(c.at_s - start + (0 if c.failure else c.took_ms / 1000) for c in made) or 1.0
    figure.update_xaxes(title_text="sent, seconds after the first call", range=[-0.03 * end, 1.03 * end])
    said = f"{len(made)} calls: {len(failed) or 'none'} failed, {len(names)} instances answered"
    finding = Finding(said, (), (), f"measured here and now, {len(made)} calls by one caller in a rhythm")
    subtitle = (
        "Each mark is one call, in the row of the instance that answered it; a line leads to when the answer came."
    )
    return finish(figure, finding, subtitle, plot_height=30 + 34 * len(rows), legend_rows=1)


def _names(answered: Sequence[Call]) -> dict[str, str]:
    ids = sorted({c.instance_id for c in answered}, key=lambda i: (len(i), i))  # in the order started: 2 before 10
    return {instance: f"instance {instance.rpartition('-')[2]}" for instance in ids}


def _version(call: Call, tell: str) -> str:
    return str(call.payload.get(tell, "")) if isinstance(call.payload, dict) else str(call.payload)


def _add(figure: go.Figure, mine: Sequence[Call], start: float, rows: Sequence[str], name: str, place: int) -> None:
    colour, symbol = _COLOURS[place % len(_COLOURS)], _SYMBOLS[place % len(_SYMBOLS)]
    xs: list[float | None] = []
    ys: list[str | None] = []
    for call, row in zip(mine, rows, strict=True):
        xs += [call.at_s - start, call.at_s - start + call.took_ms / 1000, None]
        ys += [row, row, None]
    line = {"color": colour, "width": 2}
    figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False))
    figure.add_trace(
        go.Scatter(
            x=[c.at_s - start for c in mine],
            y=list(rows),
            mode="markers",
            name=safe(name),
            marker={"symbol": symbol, "size": 8, "color": colour, "line": {"width": 0.5, "color": INK}},
            hovertext=[f"{c.took_ms:.1f} ms" for c in mine],
            hoverinfo="x+text",
        )
    )
