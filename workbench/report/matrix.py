"""The isolation matrix as one HTML page that works offline: both figures, what they say, and every cell in words."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from workbench import charts, findings
from workbench.findings import matrix
from workbench.findings.boxes import Probe, Verdict, probes
from workbench.findings.wording import capitalised, milliseconds, times
from workbench.records import Measurement, Run
from workbench.report.page import document, figure_html
from workbench.statistics import percentile

_MARKS: dict[Verdict, str] = {"held": "held", "broken": "broken", "not testable": "untested"}


def page(run: Run) -> str:
    """The page of a run that has an isolation matrix, as text."""
    probed, pressed, moved = findings.isolation_matrix(run), findings.pressure_effects(run), findings.interference(run)
    notes = "".join(f"<p>{escape(note)}</p>" for note in probed.notes)
    body = (
        "<h1>The isolation matrix</h1>"
        f'<p class="lead">{escape(probed.title)}. {escape(pressed.title)}.</p>'
        + (f'<div class="missing" role="note">{notes}</div>' if notes else "")
        + f"<h2>What an instance sees and reaches</h2>{_text(probed.reading)}"
        + _figure(charts.isolation_matrix(run), "matrix")
        + f"<h2>What a neighbour's pressure does</h2>{_text(pressed.reading)}"
        + _figure(charts.pressures(run), "pressures")
        + f"<h2>What is beyond the noise</h2>{_text(moved.reading)}"
        + _figure(charts.interference(run), "interference")
        + f"<h2>Every cell in words</h2>{_cells(run)}{_latencies(run)}"
    )
    return document(body, "The isolation matrix")


def _text(sentences: tuple[str, ...]) -> str:
    return f"<p>{escape(' '.join(sentences))}</p>"


def _figure(figure: Any, identifier: str) -> str:
    return figure_html(json.loads(figure.to_json()), identifier)


def _cells(run: Run) -> str:
    shown = list(run.of(matrix.EXPERIMENT).values())
    rows: dict[str, tuple[str, dict[str, str]]] = {}
    for m in shown:
        each: tuple[Probe | matrix.Pressed, ...] = (*probes(m), *matrix.pressures(m))
        for found in each:
            cells = rows.setdefault(found.name, (found.question, {}))[1]
            cells[m.deployment] = (
                f'<span class="{_MARKS[found.verdict]}">{found.verdict}</span><small>{escape(found.observed)}</small>'
            )
    body = "".join(
        f"<tr><th scope=row>{escape(question)}</th>"
        + "".join(f"<td>{cells.get(m.deployment) or _absent(m)}</td>" for m in shown)
        + "</tr>"
        for question, cells in rows.values()
    )
    return _table(["Probe or pressure", *(capitalised(m.deployment) for m in shown)], body, "probes")


def _absent(m: Measurement) -> str:
    reason, remedy = matrix.unavailable(m) or ("not tried", "")
    return f'<span class="absent">not here</span><small>{escape(f"{reason} {remedy}".strip())}</small>'


def _latencies(run: Run) -> str:
    body = []
    for m in run.of(matrix.EXPERIMENT).values():
        for p in matrix.pressures(m):
            middles = [_two(p.ms[window]) for window in ("before", "during", "after")]
            ratios = [_ratio(p.ratio, p.interval), _ratio(p.ratio_p99, p.interval_p99)]
            cells = [*middles, *ratios, _ratio(p.recovered, p.recovered_interval)]
            head = f"<th scope=row>{escape(p.name)}<small>{escape(m.deployment)}</small></th>"
            body.append(f"<tr>{head}{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>")
    heads = ["Pressure", "Before, p50 / p99", "During", "After", "During ÷ before, p50", "p99", "After ÷ before, p50"]
    return _table(heads, "".join(body), "keep")


def _two(ms: tuple[float, ...]) -> str:
    return f"{milliseconds(percentile(ms, 50))} / {milliseconds(percentile(ms, 99))}" if ms else "no answer"


def _ratio(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "too few answers"
    return times(value) + (f" ({times(interval[0])[:-1]}–{times(interval[1])})" if interval else "")


def _table(heads: list[str], body: str, kind: str) -> str:
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in heads)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
