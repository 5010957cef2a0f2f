"""Samples in the order they were taken: what a drifting machine did to a comparison, and to which side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.charts.style import BLUE, GREY, ORANGE, PURPLE, finish, nothing, safe
from workbench.findings.finding import Finding
from workbench.findings.selecting import display_name
from workbench.findings.wording import capitalised, entries, listed, milliseconds, numbers, pair
from workbench.records import Measurement
from workbench.statistics import percentile, verdict

_LOOKS = ((BLUE, "circle", "solid"), (ORANGE, "diamond-open", "dash"), (PURPLE, "square", "dot"))


def sequence(runs: Mapping[str, Sequence[Measurement]]) -> go.Figure:
    """Each run of `experiments.order` as a row: one mark a sample by when it was begun, a line at each median.

    The time in which the machine was kept busy on purpose is tinted.
    """
    shown = {name: [m for m in measured if m.samples] for name, measured in runs.items()}
    shown = {name: measured for name, measured in shown.items() if measured}
    every = [m for measured in shown.values() for m in measured]
    if not every:
        return nothing(Finding("Nothing was measured", (), (), "nothing was measured"))
    figure = make_subplots(rows=len(shown), vertical_spacing=0.2 / len(shown) + 0.06, shared_yaxes="all")
    names = list(dict.fromkeys(m.deployment for m in every))
    ends = [math.log10(max(value, 0.01)) for m in every for value in m.samples]
    low, high = min(ends) - 0.08, max(ends) + 0.08
    for row, (title, measured) in enumerate(shown.items(), 1):
        for m in measured:
            _add(figure, row, m, names.index(m.deployment), first=row == 1)
        _tint(figure, row, measured, title, (low, high))
    figure.update_yaxes(type="log", range=[low, high], title_text="latency (ms, log)", dtick="D2", tickformat=",~g")
    figure.update_xaxes(rangemode="tozero")
    figure.update_xaxes(title_text="seconds since the first sample", row=len(shown))
    said = "; ".join(f"{name}: {_called(measured)}" for name, measured in shown.items())
    notes = tuple(f"{m.deployment}: interrupted; shown is what was measured." for m in every if not m.complete)
    counts = listed(dict.fromkeys(f"{len(m.samples)}" for m in every), "or")
    provenance = f"measured here and now, {counts} calls of each in each order, by the caller's clock"
    subtitle = "One mark a call, a line at each median. Tinted: processes of our own compete for the CPU."
    finding = Finding(capitalised(said), (), notes, provenance)
    return finish(figure, finding, subtitle, 210 * len(shown) + 20, legend_rows=1, column_titles=True)


def _called(measured: Sequence[Measurement]) -> str:
    if len(measured) != 2:
        return f"{len(measured)} measured"
    first, second = measured
    found = verdict(second.samples, first.samples)
    name = display_name(second.deployment, second.sandbox)
    return "the difference is inside the noise" if found == "inside the noise" else f"{name} seems {found}"


def _add(figure: go.Figure, row: int, m: Measurement, place: int, *, first: bool) -> None:
    colour, symbol, dash = _LOOKS[place % len(_LOOKS)]
    name, at = safe(capitalised(display_name(m.deployment, m.sandbox))), numbers(m.detail.get("at_s"))
    middle = percentile(m.samples, 50)
    common: dict[str, Any] = {"name": name, "legendgroup": name}
    figure.add_trace(
        go.Scatter(
            x=at,
            y=m.samples,
            mode="markers",
            showlegend=first,
            marker={"color": colour, "symbol": symbol, "size": 7, "line": {"width": 1.2, "color": colour}},
            hovertemplate="%{y:.1f} ms<extra>%{fullData.name}</extra>",
            **common,
        ),
        row=row,
        col=1,
    )
    figure.add_trace(
        go.Scatter(
            x=[at[0], at[-1]],
            y=[middle, middle],
            mode="lines",
            showlegend=False,
            line={"color": colour, "dash": dash, "width": 3},
            hovertemplate=f"median {milliseconds(middle)}<extra>%{{fullData.name}}</extra>",
            **common,
        ),
        row=row,
        col=1,
    )


def _tint(figure: go.Figure, row: int, measured: Sequence[Measurement], title: str, ends: tuple[float, float]) -> None:
    for busy in filter(None, {pair(entries(m.detail.get("busy_s"))) for m in measured}):
        figure.add_vrect(x0=busy[0], x1=busy[1], fillcolor=GREY, opacity=0.14, line_width=0, row=row, col=1)
    figure.add_annotation(
        text=f"<b>{safe(title)}</b>",
        x=0,
        xref="x domain",
        xanchor="left",
        y=ends[1],
        yanchor="bottom",
        yshift=2,
        showarrow=False,
        font={"size": 14},
        row=row,
        col=1,
    )
