"""Cold starts by one factor, and by phase: whole distributions, not only their medians."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.strips import ROW_HEIGHT, SUBTITLE, Row, strips
from workbench.charts.style import finish, nothing
from workbench.findings import cold, factor
from workbench.findings.selecting import Measured, name_of, select
from workbench.findings.wording import numbers


def cold_start_by(measured: Measured) -> go.Figure:
    """Cold starts in ms, a row for each level of a factor; a level that was not possible is named with its reason."""
    finding, shown = findings.cold_start_by(measured), factor.levels(measured)
    if not any(m.samples for m in shown):
        return nothing(finding)
    rows = [Row(factor.level(m), numbers(m.samples), numbers(m.warmups), factor.reason(m)) for m in shown]
    figure = strips(rows, "time from the call to the answer")
    return finish(figure, finding, SUBTITLE, plot_height=40 + ROW_HEIGHT * len(rows), legend_rows=1)


def cold_phases(measured: Measured) -> go.Figure:
    """Cold starts in ms, a row for each phase of each deployment that could see it."""
    finding, selection = findings.cold_phases(measured), select(measured, "cold_start")
    several = len(selection.measurements) > 1
    rows = [
        Row(f"{name_of(m)}: {name}" if several else name, values)
        for m in selection.measurements
        for name, values in cold.phase_samples(m).items()
    ]
    if not rows:
        return nothing(finding)
    figure = strips(rows, "time of the phase")
    return finish(figure, finding, SUBTITLE, plot_height=40 + ROW_HEIGHT * len(rows), legend_rows=1)
