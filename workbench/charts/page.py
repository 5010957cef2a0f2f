"""Figures as parts of an HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import plotly.graph_objects as go
import plotly.io
import plotly.offline


def javascript() -> str:
    """plotly.js itself, to embed once in a page that must work offline."""
    return cast(str, plotly.offline.get_plotlyjs())


def to_html(figure: Mapping[str, Any], identifier: str) -> str:
    """A figure's JSON as HTML for a page that has plotly.js already; drawn at a fixed width, so that print is alike."""
    drawn = go.Figure(figure, skip_invalid=True)
    drawn.update_layout(width=PAGE_WIDTH)
    division = plotly.io.to_html(
        drawn,
        include_plotlyjs=False,
        full_html=False,
        div_id=identifier,
        config={"displaylogo": False, "displayModeBar": False, "responsive": False},
    )
    return cast(str, division)


PAGE_WIDTH = 960
"""Width in CSS pixels at which figures are drawn in a page."""
