"""How many samples took how long, and where their mean and median fall among them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from workbench.charts.style import BLUE, INK, SKY, VERMILLION, finish, nothing, safe
from workbench.findings.finding import Finding
from workbench.findings.wording import milliseconds
from workbench.statistics import percentile

_BINS_A_DECADE = 12
_NEAR = 1.25
_FLOOR_MS = 1e-3
"""What is below is drawn here: a clock's zero has no logarithm."""


def histogram(samples: Sequence[float], name: str = "requests") -> go.Figure:
    """Counts of samples in ms in bins of equal ratio (log axis), with the mean and the median as lines."""
    if not samples:
        return nothing(Finding("Nothing was measured", (), (), "nothing was measured"))
    mean, median = math.fsum(samples) / len(samples), percentile(samples, 50)
    exponents = [math.floor(math.log10(max(ms, _FLOOR_MS)) * _BINS_A_DECADE) for ms in samples]
    bins = range(min(exponents), max(exponents) + 1)
    edges = [(10 ** (b / _BINS_A_DECADE), 10 ** ((b + 1) / _BINS_A_DECADE)) for b in bins]
    counts = [exponents.count(b) for b in bins]
    figure = go.Figure(
        go.Bar(
            x=[(low + high) / 2 for low, high in edges],
            y=counts,
            width=[0.94 * (high - low) for low, high in edges],
            marker={"color": SKY, "line": {"color": BLUE, "width": 1}},
            hovertext=[
                f"{count} took {milliseconds(low)} to {milliseconds(high)}"
                for (low, high), count in zip(edges, counts, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
            showlegend=False,
        )
    )
    top = max(counts) * 1.22
    marks = ((mean, "mean", VERMILLION, "solid", 1.0), (median, "p50", INK, "dash", 0.9))
    for found, word, colour, dash, high in marks:
        value = max(found, _FLOOR_MS)
        figure.add_shape(
            type="line", x0=value, x1=value, y0=0, y1=top * high, line={"color": colour, "dash": dash, "width": 3}
        )
        figure.add_annotation(
            x=math.log10(value),
            y=top * high,
            text=f"<b>{word}</b> {milliseconds(found)}",
            showarrow=False,
            xanchor="left",
            yanchor="top",
            xshift=6,
            font={"color": colour, "size": 14},
        )
    figure.update_xaxes(
        type="log",
        title_text="latency (ms, log)",
        range=[(bins[0] - 1) / _BINS_A_DECADE, (bins[-1] + 3) / _BINS_A_DECADE],
        dtick="D2",
        tickformat=",~g",
    )
    figure.update_yaxes(title_text=safe(name), range=[0, top])
    near = sum(mean / _NEAR <= ms <= mean * _NEAR for ms in samples)
    title = f"{near} of {len(samples)} {name} took about as long as the mean says"
    provenance = f"measured here and now: {len(samples)} {name}, each from the call to the answer"
    return finish(figure, Finding(title, (), (), provenance), "About: within a quarter of it.", 260)
