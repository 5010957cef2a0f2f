"""Distributions on an axis that shows the tail: what the slowest of a hundred, of a thousand requests wait."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from workbench.charts.style import BLUE, GREEN, GREY, ORANGE, PURPLE, finish, nothing, safe
from workbench.findings.finding import Finding
from workbench.findings.wording import capitalised, listed, milliseconds
from workbench.statistics import percentile

_LOOKS = ((ORANGE, "solid", "square"), (BLUE, "solid", "circle"), (GREEN, "dashdot", "diamond"), (PURPLE, "dot", "x"))
_POINTS = 300
_FLOOR_MS = 0.1
"""What is below is drawn here: a logarithmic axis has no zero."""

_TICKS = (0, 50, 90, 99, 99.9, 99.99)


def tails(measured: Mapping[str, Sequence[float]], modelled: Mapping[str, Sequence[float]] | None = None) -> go.Figure:
    """Latency in ms (log) by percentile, the axis stretched towards 100: each step of ten cuts the rest by ten.

    `measured` and `modelled` hold samples in ms by a name; modelled ones are drawn dashed and grey, and named so.
    """
    given = {name: ms for name, ms in measured.items() if ms}
    models = {f"{name} (modelled)": ms for name, ms in (modelled or {}).items() if ms}
    empty = [name for name, ms in measured.items() if not ms]
    notes = (f"Without a sample, so not drawn: {listed(empty)}.",) if empty else ()
    counted = listed(f"{name} {len(ms):,}" for name, ms in given.items())
    provenance = f"measured here and now; samples: {counted}" if given else "nothing was measured"
    if models:
        provenance += f"; {listed(models)} computed, not measured"
    if not given:
        return nothing(Finding("Nothing was measured", (), notes, provenance))
    figure = go.Figure()
    for place, (name, ms) in enumerate(given.items()):
        _add(figure, name, ms, *_LOOKS[place % len(_LOOKS)])
    for name, ms in models.items():
        _add(figure, name, ms, GREY, "dash", "line-ew")
    most = max(len(ms) for ms in (*given.values(), *models.values()))
    shown = [q for q in _TICKS if _stretched(q) <= most * 1.2]
    figure.update_xaxes(
        type="log",
        range=[-0.03, math.log10(2 * most) + 0.05],
        tickvals=[_stretched(q) for q in shown],
        ticktext=[f"{q:g} %" for q in shown],
        title_text="share of requests that were at most so slow",
    )
    figure.update_yaxes(type="log", title_text="latency (ms, log)", dtick=1, tickformat=",~g")
    said = listed(f"{name} says {milliseconds(percentile(ms, 99))}" for name, ms in given.items())
    finding = Finding(f"The slowest of a hundred: {said}", (), notes, provenance)
    subtitle = f"The further right, the rarer. What took less than {_FLOOR_MS:g} ms is drawn at {_FLOOR_MS:g} ms."
    return finish(figure, finding, subtitle, 330, legend_rows=1)


def _stretched(q: float) -> float:
    return 1 / (1 - q / 100)


def _add(figure: go.Figure, name: str, ms: Sequence[float], colour: str, dash: str, symbol: str) -> None:
    ordered, n = sorted(ms), len(ms)
    # At most so many points, denser towards the slowest; the k-th of n is drawn in the middle of its own share.
    ranks = sorted({n - min(n - 1, int((n + 1) ** (i / _POINTS)) - 1) for i in range(_POINTS + 1)} | {1, n})
    kept = [(n / (n - rank + 0.5), ordered[rank - 1], rank) for rank in ranks]
    figure.add_trace(
        go.Scatter(
            x=[x for x, _, _ in kept],
            y=[max(value, _FLOOR_MS) for _, value, _ in kept],
            mode="lines+markers" if n <= 40 else "lines",
            name=safe(capitalised(name)),
            line={"color": colour, "dash": dash, "width": 3},
            marker={"symbol": symbol, "color": colour, "size": 7},
            hovertext=[f"{100 * rank / n:.4g} % took at most {milliseconds(value)}" for _, value, rank in kept],
            hovertemplate="%{hovertext}<extra>%{fullData.name}</extra>",
        )
    )
