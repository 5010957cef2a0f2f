"""What every figure has alike: colours, title, notes and provenance, and room for each.

The palette is that of Okabe and Ito, safe for the colour-blind; what differs in colour also differs in pattern, symbol,
dash or text.
"""

from __future__ import annotations

import html
import textwrap

import plotly.graph_objects as go

from workbench import findings

FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
INK, GREY, RULE = "#1a1a1a", "#595959", "#d9d9d9"
BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"


_LOOKS: dict[str, tuple[str, str, str]] = {
    "serverless": (BLUE, "solid", "circle"),
    "container": (ORANGE, "dash", "square"),
    "vm": (GREEN, "dot", "diamond"),
    "spawn": (VERMILLION, "solid", "circle"),  # one function's cold starts by technique
    "zygote": (SKY, "dash", "square"),
    "snapshot": (PURPLE, "dot", "diamond"),
}
_OTHER_LOOKS = ((PURPLE, "dashdot", "triangle-up"), (SKY, "longdash", "cross"), (VERMILLION, "longdashdot", "star"))


def look(deployment: str) -> tuple[str, str, str]:
    """Colour, dash and symbol of a deployment, the same in every chart."""
    if deployment in _LOOKS:
        return _LOOKS[deployment]
    return _OTHER_LOOKS[sum(deployment.encode()) % len(_OTHER_LOOKS)]


def faded(colour: str) -> str:
    """The colour as a tint, to fill with."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def safe(text: str) -> str:
    """Text of a service or a run, so that plotly shows its characters instead of reading them as markup."""
    return html.escape(text, quote=False)


TITLE_COLUMNS = 80
"""Characters in a line of a title that fit where the page falls back on a wide font, such as DejaVu Sans."""


def finish(
    figure: go.Figure,
    finding: findings.Finding,
    subtitle: str,
    plot_height: float,
    *,
    legend_rows: int = 0,
    column_titles: bool = False,
    x_on_top: bool = False,
    axes: bool = True,
) -> go.Figure:
    """Title, notes and provenance round the plot, with room for each so that nothing overlaps at 1000 px."""
    title = textwrap.wrap(finding.title, TITLE_COLUMNS, break_on_hyphens=False) or [""]
    wide = 86 if x_on_top else 118  # there a question stands left of each row, and the text begins right of them
    below = [*textwrap.wrap(" ".join(finding.notes), wide), *textwrap.wrap(f"Provenance: {finding.provenance}", wide)]
    head = 18 + 25 * len(title) + 24
    top = head + 28 * legend_rows + (44 if column_titles else 0) + (44 if x_on_top else 8)
    bottom = (14 if x_on_top or not axes else 56) + 17 * len(below) + 14
    height = top + plot_height + bottom
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 20, "r": 24, "t": top, "b": bottom},
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        title={
            "text": f"<b>{'<br>'.join(safe(line) for line in title)}</b>",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            # plotly hangs a title of one line by its top, and a longer one half a line higher.
            "pad": {"l": 4, "t": 14 if len(title) == 1 else 26},
            "font": {"size": 18},
            "subtitle": {"text": subtitle, "font": {"size": 13.5, "color": GREY}},
        },
        legend={
            "orientation": "h",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1 - head / height,
            "yref": "container",
            "yanchor": "top",
            "font": {"size": 13},
            "itemclick": False,
            "itemdoubleclick": False,
        },
        hoverlabel={"font": {"size": 13}, "bgcolor": "white"},
        bargap=0.2,
    )
    figure.update_xaxes(
        automargin=False,
        gridcolor=RULE,
        linecolor=GREY,
        tickfont={"size": 12.5},
        title_standoff=8,
        title_font={"size": 13.5},
    )
    figure.update_yaxes(
        automargin="left",
        gridcolor=RULE,
        linecolor=GREY,
        tickfont={"size": 12.5},
        title_standoff=8,
        title_font={"size": 13.5},
    )
    lines = "<br>".join(safe(line) for line in below)
    figure.add_annotation(
        name="provenance",
        text=lines,
        showarrow=False,
        align="left",
        xref="paper",
        x=0,
        xanchor="left",
        yref="paper",
        y=0,
        yanchor="top",
        yshift=-(bottom - 17 * len(below) - 14),
        font={"size": 12, "color": GREY},
    )
    return figure


def nothing(finding: findings.Finding) -> go.Figure:
    """A figure that says what is missing, for a run that has nothing of it."""
    figure = go.Figure()
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text="Nothing to draw.", showarrow=False, font={"size": 15, "color": GREY})
    return finish(figure, finding, "", plot_height=60, axes=False)
