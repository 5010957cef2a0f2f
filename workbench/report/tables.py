"""What the report's notebook shows beside figures: text and tables of a run as HTML, everything foreign escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from workbench import findings
from workbench.findings import boxes, forces
from workbench.findings.cold import PHASES, p50, phase_medians
from workbench.findings.selecting import EXPERIMENTS, name_of, sandbox_of, select
from workbench.findings.wording import (
    DASH,
    capitalised,
    dollars,
    entries,
    milliseconds,
    number,
    numbers,
    seconds,
    setting,
    shortened,
    significant,
)
from workbench.records import Measurement, Run

_SECTIONS = (*EXPERIMENTS, "noisy_neighbour")
_STATUS = {"V": "read at the source", "S": "second-hand", "U": "unverified"}


NO_BREAK = "\u00a0"


class Html(str):
    """A piece of HTML that a notebook displays as such."""

    def _repr_html_(self) -> str:
        return self


def opening(run: Run) -> Html:
    """What was compared, where and when; and, boxed, what is missing from this run."""
    found = findings.missing(run)
    box = "".join(f"<p>{escape(note)}</p>" for note in found)
    warning = f'<div class="missing" role="note"><p><b>Read this first.</b></p>{box}</div>' if found else ""
    return Html(f'<p class="lead">{escape(findings.compared(run))}</p>{warning}')


def conclusions(run: Run) -> Html:
    """What to conclude, as a list."""
    return Html(f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in findings.conclusions(run))}</ul>")


def titles(run: Run) -> Html:
    """Every finding in one line, each linked to its section."""
    items = (f'<li><a href="#{key}">{escape(f.title)}</a>.</li>' for key, f in findings.findings(run).items())
    return Html(f"<ul>{''.join(items)}</ul>")


def reading(run: Run, section: str) -> Html:
    """The sentences that read one chart, from this run's numbers."""
    found = findings.READINGS[section](run)
    notes = "".join(f" <b>{escape(note)}</b>" for note in found.notes)
    return Html(f'<p id="{section}">{escape(" ".join(found.reading).replace(" %", NO_BREAK + "%"))}{notes}</p>')


def tradeoff(run: Run) -> Html:
    """The nine forces by deployment; each cell names its provenance and links to its evidence."""
    if not run.tradeoff:
        return Html('<p class="absent">The trade-off table was not worked out: the run ended before.</p>')
    body = []
    for force, title in forces.rows(run).items():
        cells = "".join(f"<td>{_force_cell(forces.cell(run, force, d))}</td>" for d in run.deployments)
        about = forces.measure(run, force)
        head = escape(title) + (f"<small>{escape(about)}</small>" if about else "")
        body.append(f"<tr><th scope=row>{head}</th>{cells}</tr>")
    return _table(["Force", *_heads(run)], body, "forces")


def _force_cell(content: Mapping[str, Any]) -> str:
    if content.get("value") is None:
        reason = str(content.get("reason") or "")
        why = f"<small>{escape(shortened(reason, 160))}</small>" if reason else ""
        return f'<span class="absent">{forces.NOTHING}</span>{why}'
    path = str(content.get("evidence") or "")
    parts = path.split(".")
    shown = escape(".".join(parts[2:]) if parts[0] == "deployments" else path)
    section = next((part for part in parts if part in _SECTIONS), "")
    link = f'<a href="#{section}" title="{escape(path)} in run.json">{shown}</a>' if section else shown
    origin = " · ".join(part for part in (escape(forces.kind(content)), link) if part)
    return f"{escape(forces.text(content))}<small>{origin}</small>"


def phases(run: Run) -> Html:
    """The medians of the phases of a cold start, in ms."""
    body = []
    for m in select(run, "cold_start").measurements:
        medians = phase_medians(m)
        cells = [milliseconds(medians[key]) if medians[key] is not None else "not seen" for key in PHASES]
        p95 = number(m.detail.get("p95_ms"))
        body.append(_row(_name(m), *cells, milliseconds(p50(m)), milliseconds(p95), str(len(m.samples))))
    heads = ["Median of each phase", *map(capitalised, PHASES.values()), "Whole, p50", "Whole, p95", "Samples"]
    return _table([escape(h) for h in heads], body, "keep")


def probes(run: Run) -> Html:
    """What each isolation probe saw."""
    found = {m.deployment: {p.name: p for p in boxes.probes(m)} for m in select(run, "isolation").measurements}
    questions = {p.name: p.question for by_name in found.values() for p in by_name.values()}
    marks = {"held": "held", "broken": "broken", "not testable": "untested"}
    body = []
    for name, question in questions.items():
        cells = []
        for deployment in run.deployments:
            probe = found.get(deployment, {}).get(name)
            cells.append(
                f'<td><span class="{marks[probe.verdict]}">{probe.verdict}</span>'
                f"<small>{escape(probe.observed)}</small></td>"
                if probe
                else f'<td class="absent">{forces.NOTHING}</td>'
            )
        body.append(f"<tr><th scope=row>{escape(question)}</th>{''.join(cells)}</tr>")
    return _table(["Probe", *_heads(run)], body, "probes")


def delivery(run: Run) -> Html:
    """How long a deployment takes, what an update and a crash cost, and what of an instance can be seen and limited."""
    found = select(run, "delivery").measurements
    if not found:
        return Html('<p id="delivery" class="absent">Delivery was not measured in this run.</p>')
    facts: dict[str, list[str]] = {}
    for m in found:
        d = m.detail
        for label, value in (
            ("Build, deploy and first answer (median)", _median_s(m.samples)),
            ("of that, packaging", _median_s(d.get("package_s"))),
            ("New version in place (median)", _median_s(d.get("update_s"))),
            ("Requests failed while updating", _failed(d)),
            ("Answers again after an instance crashed (median)", _median_s(d.get("recovery_s"))),
            ("Languages that ran here", _came(d.get("languages"))),
            ("Signals seen of each instance", _came(d.get("telemetry"))),
            ("CPU share, expected and measured", _shares(d.get("cpu_share"))),
            ("Memory limit", _limit(d.get("memory_limit"))),
        ):
            facts.setdefault(label, []).append(escape(value))
    rows = [_row(escape(label), *values) for label, values in facts.items()]
    heads = [f"{_name(m)}" for m in found]
    return Html(f'<div id="delivery">{_table(["What", *heads], rows, "keep")}</div>')


def prices(run: Run) -> Html:
    """Every line of the cost model with its formula and the status of its price."""
    body = []
    for m in select(run, "cost").measurements:
        for line in entries(m.detail.get("lines")):
            if isinstance(line, Mapping):
                item, formula, source = (escape(str(line.get(key) or "")) for key in ("item", "formula", "source"))
                status = escape(_STATUS.get(str(line.get("status")), str(line.get("status") or "")))
                body.append(_row(_name(m), item, dollars(number(line.get("usd"))), formula, source, status))
    return _table(["Deployment", "Item", "USD", "Formula", "Source of the price", "Status"], body)


def provenance(run: Run) -> Html:
    """For every measurement: how it was obtained, in which box, from how many samples, whether whole."""
    body = []
    for m in run.measurements:
        p = m.provenance
        way = "; ".join(part for part in (p.how, p.source, p.date) if part)
        what = EXPERIMENTS.get(m.experiment, m.experiment)
        state = "whole" if m.complete else "interrupted"
        body.append(_row(_name(m), escape(what), escape(p.kind), escape(way), str(len(m.samples)), state))
    return _table(["Deployment", "Experiment", "Kind", "How", "Samples", "State"], body)


def machine(run: Run) -> Html:
    """The service and the machine as the run recorded them."""
    rows = [(f"service: {key}", value) for key, value in run.service.items()]
    rows += [(str(key), value) for key, value in run.environment.items()]
    rows += [("measured at", run.created), ("whole run", run.complete)]
    body = [_row(escape(label.replace("_", " ")), escape(_text(value))) for label, value in rows]
    return _table(["What", "Value"], body, "values")


def _table(heads: Sequence[str], rows: Iterable[str], kind: str = "") -> Html:
    lines = list(rows)
    if not lines:
        return Html('<p class="absent">Nothing was measured for this table.</p>')
    head = "".join(f"<th scope=col>{text}</th>" for text in heads)
    return Html(
        f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _row(head: str, *cells: str) -> str:
    return f"<tr><th scope=row>{head}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _name(m: Measurement) -> str:
    return f"{escape(capitalised(name_of(m)))}<small>{escape(sandbox_of(m))}</small>"


def _heads(run: Run) -> list[str]:
    first = {m.deployment: m for m in reversed(run.measurements)}
    return [_name(first[deployment]) for deployment in run.deployments]


def _median_s(values: Any) -> str:
    found = sorted(numbers(values))
    return seconds(found[len(found) // 2]) if found else DASH


def _failed(detail: Mapping[str, Any]) -> str:
    failed, asked = number(detail.get("failed_while_updating")), number(detail.get("asked_while_updating"))
    if failed is None:
        return DASH
    return f"{failed:,.0f}" + (f" of {asked:,.0f}" if asked is not None else "")


def _came(value: Any) -> str:
    """What came or worked of a mapping, and what did not."""
    if not isinstance(value, Mapping) or not value:
        return DASH
    worked = {str(k): v.get("works") if isinstance(v, Mapping) else v for k, v in value.items()}
    yes, no = [k for k, ok in worked.items() if ok], [k for k, ok in worked.items() if not ok]
    return (", ".join(yes) or "none") + (f"; not: {', '.join(no)}" if no else "")


def _shares(value: Any) -> str:
    if not isinstance(value, Mapping):
        return DASH
    expected, measured = number(value.get("expected")), number(value.get("measured"))
    if measured is None:
        return DASH
    return f"{significant(measured, 2)}" + (f" of {significant(expected, 2)}" if expected is not None else "") + " vCPU"


def _limit(value: Any) -> str:
    if not isinstance(value, Mapping):
        return DASH
    held = {True: "held", False: "not enforced"}.get(value.get("held"), "not testable")  # type: ignore[arg-type]
    limit, observed = number(value.get("limit_mb")), value.get("observed")
    at = f" at {setting(limit)} MB" if limit is not None else ""
    return f"{held}{at}" + (f": {observed}" if isinstance(observed, str) and observed else "")


def _text(value: Any) -> str:
    return forces.text({"value": value}) if value not in (None, "", [], {}) else DASH
