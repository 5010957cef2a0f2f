"""One HTML page out of an executed notebook: no code, figures drawn by one embedded plotly.js, nothing loaded."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path
from typing import Any

from workbench import charts
from workbench.writing import whole

_FIGURE = "application/vnd.plotly.v1+json"

# The page holds all it needs; a browser is told to load nothing, whatever slipped in.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def to_page(notebook: Any, title: str = "Comparison of deployments") -> str:
    """The page of an executed notebook, as text."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    _figures_to_html(notebook)
    settings = Config(
        {"HTMLExporter": {"exclude_input": True, "exclude_input_prompt": True, "exclude_output_prompt": True}}
    )
    exporter: Any = HTMLExporter(template_name="basic", config=settings)  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(notebook)
    return document(str(body), title)


def document(body: str, title: str) -> str:
    """A whole page round a body of HTML, with the style and plotly.js in it."""
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n"
        f"<script>{charts.javascript()}</script>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _figures_to_html(notebook: Any) -> None:
    """Give every figure among the outputs an HTML form that needs plotly.js, which the page has once."""
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if _FIGURE not in data:
                continue
            figure = data.pop(_FIGURE)
            count += 1
            data.clear()
            data["text/html"] = figure_html(figure, f"figure-{count}")


def figure_html(figure: Any, identifier: str) -> str:
    """A figure's JSON as part of a page made by `document`."""
    label = html.escape(_title(figure), quote=True)
    drawn = charts.to_html({"data": figure["data"], "layout": figure["layout"]}, identifier)
    return f'<figure role="img" aria-label="{label}">{drawn}<noscript>This figure needs JavaScript.</noscript></figure>'


def _title(figure: Any) -> str:
    text = str(figure.get("layout", {}).get("title", {}).get("text", "figure"))
    return html.unescape(text.replace("<b>", "").replace("</b>", "").replace("<br>", " "))


def write_whole(target: Path, text: str) -> Path:
    """Write a page atomically: a reader sees the old one or the whole new one."""
    with whole(target) as page:
        page.write_text(text, encoding="utf-8")
    return target
