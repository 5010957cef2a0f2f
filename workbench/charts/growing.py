"""A figure that grows while a measurement goes on."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from workbench.charts.style import FONT, INK, look, safe
from workbench.findings.selecting import display_name
from workbench.findings.wording import capitalised


def live(title: str) -> LiveLatency:
    """An empty figure that takes one dot after the other while a measurement goes on."""
    return LiveLatency(title)


_ONE_TWO_FIVE = [digit * 10**power for power in range(-1, 5) for digit in (1, 2, 5)]


class LiveLatency:
    """A widget of latencies in ms by deployment, in the order they come; `figure` is what a cell displays."""

    def __init__(self, title: str) -> None:
        self.figure = go.FigureWidget()
        self._traces: dict[str, int] = {}
        self.figure.update_layout(
            template="plotly_white",
            height=360,
            title={"text": f"<b>{safe(title)}</b>", "font": {"size": 18}},
            font={"family": FONT, "size": 13, "color": INK},
            xaxis={"title": {"text": "sample"}, "rangemode": "tozero"},
            # Plotly's own labels between powers of ten are a lone 2 or 5.
            yaxis={"title": {"text": "latency (ms, log)"}, "type": "log", "tickvals": _ONE_TWO_FIVE},
            showlegend=True,
        )

    def add(self, deployment: str, latency_ms: float) -> None:
        """Draw one more latency of `deployment`; the last thousand stay."""
        if deployment not in self._traces:
            colour, _, symbol = look(deployment)
            marker = {"size": 9, "color": colour, "symbol": symbol}
            self._traces[deployment] = len(self.figure.data)
            name = safe(capitalised(display_name(deployment)))
            self.figure.add_scatter(x=[], y=[], mode="markers", name=name, marker=marker)
        trace = self.figure.data[self._traces[deployment]]
        count = (trace.x[-1] if trace.x else 0) + 1
        with self.figure.batch_update():
            trace.x, trace.y = (*trace.x, count)[-1000:], (*trace.y, latency_ms)[-1000:]

    def whole(self) -> dict[str, Any]:
        """The figure as it is by now, which grows no more, as a notebook stores it (content by MIME type)."""
        bundle: dict[str, Any] = go.Figure(self.figure)._repr_mimebundle_()
        return bundle


class LiveFigure:
    """A widget that shows one figure after the other in its place; `figure` is what a cell displays."""

    def __init__(self) -> None:
        self.figure = go.FigureWidget()
        self.figure.update_layout(template="plotly_white", height=120)
        self.figure.update_xaxes(visible=False)
        self.figure.update_yaxes(visible=False)

    def show(self, figure: go.Figure) -> None:
        """Draw this one now, in place of the last; the caller sees to it that its points are few."""
        with self.figure.batch_update():
            self.figure.data = ()
            self.figure.layout = figure.layout
            self.figure.add_traces(figure.data)
