"""The one look of everything a lab shows: a card in the notebook's own colours, and the same as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Kind = Literal["plain", "ask", "good", "bad", "note"]

_COLOURS: dict[Kind, str] = {
    "plain": "#8a94a6",
    "ask": "#4c6ef5",
    "good": "#2b8a5b",
    "bad": "#c2573a",
    "note": "#b7791f",
}
_CARD = (
    "border-left:4px solid {colour};background:var(--jp-layout-color1,#fff);color:var(--jp-ui-font-color1,#1f2430);"
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:14px;line-height:1.5;"
    "padding:10px 16px;margin:6px 0;max-width:820px;box-shadow:0 1px 3px rgba(20,30,60,.16);border-radius:4px"
)
_CELL = "text-align:left;padding:4px 18px 4px 0;vertical-align:top;border:0;background:transparent"
_HEAD = (
    f"{_CELL};white-space:nowrap;color:var(--jp-ui-font-color2,#5b6475);font-weight:600;"
    "border-bottom:1px solid rgba(128,128,128,.35)"
)


@dataclass(frozen=True)
class Panel:
    """A titled card; `html` is its trusted body, `text` the same for where there is no browser."""

    title: str
    html: str
    text: str
    kind: Kind = "plain"

    def _repr_html_(self) -> str:
        return card(self.title, self.html, self.kind)

    def __repr__(self) -> str:
        return f"{self.title}\n{self.text}" if self.text else self.title


def card(title: str, body: str, kind: Kind = "plain") -> str:
    """The HTML of a card: `title` is escaped, `body` is HTML already."""
    head = f'<div style="font-weight:600;color:{_COLOURS[kind]}">{escape(title)}</div>'
    return f'<div class="workbench-{kind}" style="{_CARD.format(colour=_COLOURS[kind])}">{head}{body}</div>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, str]:
    """A table as (HTML, aligned plain text); every cell is plain text."""
    head = "".join(f'<th style="{_HEAD}">{escape(column)}</th>' for column in columns)
    body = "".join(
        "<tr style='background:transparent'>"
        + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    html = (
        '<table style="border-collapse:collapse;margin:6px 0;border:0;font-size:13.5px">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
    widths = [max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (columns, *rows)]
    return html, "\n".join(line.rstrip() for line in lines)


def say(title: str, *paragraphs: str, kind: Kind = "plain") -> Panel:
    """A card of plain-text paragraphs."""
    html = "".join(f'<div style="margin-top:4px">{escape(p)}</div>' for p in paragraphs if p)
    return Panel(title, html, "\n".join(p for p in paragraphs if p), kind)


def duration(milliseconds: float) -> str:
    """A duration in the unit a person would choose, to two significant digits: `340 µs`, `7.3 ms`, `1.2 s`."""
    for limit, factor, unit in ((0.9995, 1000.0, "µs"), (999.5, 1.0, "ms"), (float("inf"), 0.001, "s")):
        if milliseconds < limit:
            value = milliseconds * factor
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
    return f"{milliseconds} ms"
