"""What each deployment costs by the hour, and where the lines cross."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import GREY, INK, finish, look, nothing, safe
from workbench.findings import money
from workbench.findings.selecting import Measured, Selection, name_of, select
from workbench.findings.wording import capitalised, number, significant


def cost(measured: Measured) -> go.Figure:
    """US dollars per hour by requests per hour, log axes, with each break-even and its interval."""
    finding, selection = findings.cost(measured), select(measured, "cost")
    shown = [(m, money.curve(m)) for m in selection.measurements if money.curve(m)]
    if not shown:
        return nothing(finding)
    figure = go.Figure()
    for m, points in shown:
        colour, dash, _ = look(m.deployment)
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                mode="lines",
                name=safe(capitalised(name_of(m))),
                line={"color": colour, "dash": dash, "width": 3},
                hovertemplate="%{x:,.0f} requests/h: $%{y:.3g}/h<extra></extra>",
            )
        )
    _add_break_evens(figure, selection)
    rates = {rate for m, _ in shown if (rate := number(m.detail.get("at_rate_per_h"))) and rate > 0}
    for rate in rates:
        figure.add_vline(x=rate, line={"dash": "dash", "color": GREY, "width": 1.5})
        figure.add_annotation(
            x=math.log10(rate),
            xref="x",
            y=0.01,
            yref="paper",
            text=f"assumed here: {significant(rate)}/h",
            showarrow=False,
            xanchor="right",
            yanchor="bottom",
            xshift=-5,
            font={"size": 12, "color": GREY},
            bgcolor="white",
        )
    ends = [math.log10(x) for _, points in shown for x, _ in (points[0], points[-1])]
    left, right = min(ends), max(max(ends), min(ends) + 1)
    crossings = [math.log10(found.rate_per_h) for found in money.break_evens(selection)]
    # The lowest break-even's label stands to its right and needs a quarter of the width.
    right = max(right, *(left + (crossing - left) / 0.74 for crossing in crossings[::2]), right)
    figure.update_xaxes(
        title_text="requests per hour (log)", type="log", dtick=1, tickformat=",.0f", range=[left, right + 0.02]
    )
    cheapest, dearest = (f(usd for _, points in shown for _, usd in points) for f in (min, max))
    powers = [10.0**p for p in range(math.floor(math.log10(cheapest)), math.ceil(math.log10(dearest)) + 1)]
    labels = [f"${power:,.12f}".rstrip("0").rstrip(".") for power in powers]
    figure.update_yaxes(title_text="US dollars per hour (log)", type="log", tickvals=powers, ticktext=labels)
    figure.update_yaxes(range=[math.log10(cheapest) - 0.3, math.log10(dearest) + 0.5])
    subtitle = "Diamonds: break-even, with its interval where durations vary."
    return finish(figure, finding, subtitle, plot_height=400, legend_rows=1)


def _add_break_evens(figure: go.Figure, selection: Selection) -> None:
    by_name = {name_of(m): money.curve(m) for m in selection.measurements}
    for index, found in enumerate(money.break_evens(selection)):
        usd = money.at_rate(by_name.get(found.below, ()), found.rate_per_h)
        if usd is None:
            continue
        bars = None
        if found.low is not None and found.high is not None:
            bars = {
                "type": "data",
                "symmetric": False,
                "array": [max(found.high - found.rate_per_h, 0)],
                "arrayminus": [max(found.rate_per_h - found.low, 0)],
                "thickness": 2.5,
                "width": 8,
                "color": INK,
            }
        figure.add_trace(
            go.Scatter(
                x=[found.rate_per_h],
                y=[usd],
                mode="markers",
                error_x=bars,
                showlegend=index == 0,
                name="break-even",
                marker={"symbol": "diamond", "size": 12, "color": "white", "line": {"width": 2.5, "color": INK}},
                hovertemplate=f"{safe(found.below)} = {safe(found.above)}: {safe(found.span)}<extra></extra>",
            )
        )
        below = index % 2 == 0  # labels alternate between the empty corners: below right, above left
        spread = 26 * (index // 2)
        figure.add_annotation(
            x=math.log10(found.rate_per_h),
            y=math.log10(usd),
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=INK,
            ax=34 if below else -34,
            ay=(52 + spread) if below else -(52 + spread),
            xanchor="left" if below else "right",
            align="left",
            font={"size": 12.5},
            bgcolor="rgba(255,255,255,0.9)",
            standoff=9,
            text=f"<b>{safe(found.below)} = {safe(found.above)}</b><br>{safe(found.span).replace(', ', '<br>')}",
        )
