"""The nine forces by deployment, as a table."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

from workbench import findings
from workbench.charts.style import INK, RULE, finish, nothing, safe
from workbench.findings import forces
from workbench.findings.selecting import name_of, sandbox_of, select
from workbench.findings.wording import capitalised
from workbench.records import Run


def tradeoff_table(run: Run) -> go.Figure:
    """The nine forces by deployment: each cell a number of this run with its kind of provenance."""
    deployments = run.deployments
    provenance = select(run, "cold_start").provenance
    finding = findings.Finding("The nine forces, by deployment", (), findings.missing(run)[:2], provenance)
    if not run.tradeoff or not deployments:
        empty = findings.Finding("No trade-off was worked out", (), findings.missing(run)[:2], provenance)
        return nothing(empty)
    names = {m.deployment: m for m in run.measurements}
    titles = forces.rows(run)
    columns: list[list[str]] = [["<br>".join(textwrap.wrap(title, 30)) for title in titles.values()]]
    for deployment in deployments:
        texts = []
        for force in titles:
            content = forces.cell(run, force, deployment)
            lines = [safe(line) for line in textwrap.wrap(forces.text(content), 26)]
            texts.append(
                "<br>".join([*lines, *([f"<i>{safe(forces.kind(content))}</i>"] if forces.kind(content) else [])])
            )
        columns.append(texts)
    heads = [
        "<b>Force</b>",
        *(f"<b>{safe(capitalised(name_of(names[d])))}</b><br>{safe(sandbox_of(names[d]))}" for d in deployments),
    ]
    heights = [max(text.count("<br>") + 1 for text in row) for row in zip(*columns, strict=True)]
    table = go.Table(
        columnwidth=[1.2] + [1] * len(deployments),
        header={
            "values": heads,
            "align": "left",
            "fill_color": "white",
            "line_color": INK,
            "font": {"size": 14},
            "height": 44,
        },
        cells={
            "values": columns,
            "align": "left",
            "fill_color": [["white", "#f5f5f5"] * len(titles)],
            "line_color": RULE,
            "font": {"size": 13},
            "height": 20,
        },
    )
    figure = go.Figure(table)
    return finish(
        figure,
        finding,
        "Each cell comes from this run.",
        plot_height=70 + sum(19 * lines + 8 for lines in heights),
        axes=False,
    )
