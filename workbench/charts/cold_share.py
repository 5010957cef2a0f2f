"""The share of requests that start cold, by rate: measured with intervals, modelled as a line."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log10
from typing import Any

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import BLUE, GREEN, INK, ORANGE, faded, finish, nothing
from workbench.findings import expiry
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import numbers, setting

_POINTS = 80


def cold_share(measured: Measured) -> go.Figure:
    """Share of cold requests in % by rate (a second, logarithmic): measured points, the modelled line where known."""
    finding, selection = findings.cold_share(measured), select(measured, "cold_share")
    rows = expiry.rows(selection.measurements[0]) if selection.measurements else []
    if not rows:
        return nothing(finding)
    figure = go.Figure()
    rates = [float(r["rate_per_s"]) for r in rows]
    ends = (rates[0] / 1.4, rates[-1] * 1.4)
    given = selection.measurements[0].detail.get("expiry_s")
    known = numbers(given if isinstance(given, list | tuple) else [given])
    if known:
        _add_model(figure, known, ends)
    _add_drawn(figure, rows)
    _add_measured(figure, rows)
    figure.update_xaxes(
        title_text="requests a second (Poisson arrivals, logarithmic)",
        type="log",
        range=[log10(ends[0]), log10(ends[1])],
        tickvals=rates,
        ticktext=[setting(rate) for rate in rates],
    )
    figure.update_yaxes(title_text="cold requests (%)", range=[-3, 103], zeroline=False)
    subtitle = "Each cold start confirmed by a new instance. Bars: 95 % intervals (Clopper-Pearson)."
    return finish(figure, finding, subtitle, plot_height=320, legend_rows=2)


def _add_model(figure: go.Figure, known: Sequence[float], ends: tuple[float, float]) -> None:
    rates = [exp(log(ends[0]) + (log(ends[1]) - log(ends[0])) * i / _POINTS) for i in range(_POINTS + 1)]
    said = " to ".join(f"{setting(round(value, 2))}" for value in known)
    for number, value in enumerate(known):
        figure.add_trace(
            go.Scatter(
                x=rates,
                y=[100 * exp(-rate * value) for rate in rates],
                mode="lines",
                name=f"modelled: exp(−rate × expiry), expiry {said} s",
                showlegend=number == 0,
                line={"color": ORANGE, "dash": "dash", "width": 2.5},
                fill="tonexty" if number else None,
                fillcolor=faded(ORANGE),
                hovertemplate="modelled %{y:.3g} %<extra></extra>",
            )
        )


def _add_drawn(figure: go.Figure, rows: Sequence[dict[str, Any]]) -> None:
    drawn = [r for r in rows if r.get("drawn_share") is not None]
    if drawn:
        figure.add_trace(
            go.Scatter(
                x=[r["rate_per_s"] for r in drawn],
                y=[100 * r["drawn_share"] for r in drawn],
                mode="markers",
                name="of the gaps that were drawn here, longer than the expiry",
                marker={"size": 13, "symbol": "square-open", "color": GREEN, "line": {"width": 2}},
                hovertemplate="drawn %{y:.3g} %<extra></extra>",
            )
        )


def _add_measured(figure: go.Figure, rows: Sequence[dict[str, Any]]) -> None:
    figure.add_trace(
        go.Scatter(
            x=[r["rate_per_s"] for r in rows],
            y=[100 * r["share"] for r in rows],
            mode="markers",
            name="measured",
            marker={"size": 9, "symbol": "circle", "color": BLUE, "line": {"width": 1, "color": INK}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (r["ci95"][1] - r["share"]) for r in rows],
                "arrayminus": [100 * (r["share"] - r["ci95"][0]) for r in rows],
                "color": BLUE,
                "thickness": 2,
                "width": 6,
            },
            customdata=[f"{r['cold']} of {r['of']}" for r in rows],
            hovertemplate="measured %{y:.3g} % (%{customdata})<extra></extra>",
        )
    )
