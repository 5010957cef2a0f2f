"""From the cause to the handler, a row for each way to invoke."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench.charts.strips import ROW_HEIGHT, SUBTITLE, Row, strips
from workbench.charts.style import finish, nothing
from workbench.findings.arriving import arrival as said
from workbench.findings.arriving import ways
from workbench.findings.selecting import Measured


def arrival(measured: Measured) -> go.Figure:
    """Milliseconds from the cause to the handler's first line, quickest way first."""
    finding, shown = said(measured), ways(measured)
    if not shown:
        return nothing(finding)
    figure = strips([Row(m.deployment, m.samples) for m in shown], "time from the cause to the handler")
    return finish(figure, finding, SUBTITLE, plot_height=40 + ROW_HEIGHT * len(shown))
