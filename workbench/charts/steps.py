"""How long something takes to come about, step by step: an image's builds, a virtual machine's boot."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, finish, nothing, safe
from workbench.findings import steps
from workbench.findings.selecting import Measured
from workbench.findings.wording import capitalised, milliseconds, seconds
from workbench.statistics import percentile

_STEP_LOOKS = ((SKY, ""), (ORANGE, "/"), (GREEN, "."), (VERMILLION, "x"), (PURPLE, "\\"), (BLUE, "-"))


def image_build(measured: Measured) -> go.Figure:
    """Seconds (log) to build an image: the first time, after changes, and unchanged; median as bar, samples as dots."""
    finding, found = findings.image_build(measured), steps.builds(measured)
    if not found:
        return nothing(finding)
    figure = go.Figure()
    medians = {name: percentile(values, 50) for name, values in found.items()}
    rows = {name: -row for row, name in enumerate(found)}
    figure.add_trace(
        go.Bar(
            x=list(medians.values()),
            y=list(rows.values()),
            orientation="h",
            width=0.45,
            marker={"color": SKY, "line": {"color": INK, "width": 1}},
            text=[f" {seconds(value)}" for value in medians.values()],
            textposition="outside",
            textfont={"size": 14},
            showlegend=False,
            hovertemplate="median %{x:.3g} s<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=[value for values in found.values() for value in values],
            y=[rows[name] - 0.32 for name, values in found.items() for _ in values],
            mode="markers",
            name="one build",
            marker={"size": 6, "color": "rgba(26,26,26,0.45)"},
            hovertemplate="%{x:.3g} s<extra></extra>",
        )
    )
    figure.update_yaxes(
        tickvals=list(rows.values()),
        ticktext=[_narrow(capitalised(name)) for name in rows],
        range=[0.5 - len(rows), 0.5],
        showgrid=False,
        zeroline=False,
    )
    most = max(value for values in found.values() for value in values)
    figure.update_xaxes(title_text="seconds", range=[0, most * 1.2 or 1])
    return finish(figure, finding, "Bars: medians. Dots: every build.", 40 + 70 * len(rows), legend_rows=1)


def _narrow(name: str) -> str:
    """In lines so short that the notes below, which begin where the bars do, have their room."""
    return "<br>".join(safe(line) for line in textwrap.wrap(name, 13))


def boot_phases(boots: Mapping[str, Sequence[Mapping[str, float]]], provenance: str) -> go.Figure:
    """Median ms of each step of a boot, stacked, a bar a machine.

    `boots`: label → samples, each step → ms in the order of the steps; `provenance`: how they were obtained, in words.
    """
    finding = findings.boot_phases(boots, provenance)
    shown = {label: steps.medians(samples) for label, samples in boots.items() if samples}
    if not shown:
        return nothing(finding)
    figure = go.Figure()
    names = list(dict.fromkeys(step for each in shown.values() for step in each))
    rows = [-row for row in range(len(shown))]
    for place, name in enumerate(names):
        colour, pattern = _STEP_LOOKS[place % len(_STEP_LOOKS)]
        values = [each.get(name, 0.0) for each in shown.values()]
        figure.add_trace(
            go.Bar(
                x=values,
                y=rows,
                width=0.5,
                orientation="h",
                name=safe(name),
                marker={
                    "color": colour,
                    "line": {"color": "white", "width": 1},
                    "pattern": {
                        "shape": pattern,
                        "fillmode": "overlay",
                        "fgcolor": "white",
                        "size": 7,
                        "solidity": 0.2,
                    },
                },
                customdata=[milliseconds(value) for value in values],
                hovertemplate=f"{safe(name)}: %{{customdata}}<extra></extra>",
            )
        )
    for row, each in zip(rows, shown.values(), strict=True):
        total = sum(each.values())
        figure.add_annotation(
            x=total, y=row, text=f"<b>{milliseconds(total)}</b>", showarrow=False, xanchor="left", xshift=8
        )
    figure.update_yaxes(
        tickvals=rows,
        ticktext=[f"<b>{safe(label)}</b>" for label in shown],
        range=[0.5 - len(rows), 0.5],
        showgrid=False,
        zeroline=False,
    )
    most = max(sum(each.values()) for each in shown.values())
    figure.update_xaxes(title_text="time from the start (ms)", range=[0, most * 1.16 or 1])
    figure.update_layout(barmode="stack")
    subtitle = "Median of each step; at the end their sum, which need not be the median of the whole."
    return finish(figure, finding, subtitle, 60 + 80 * len(rows), legend_rows=2)
