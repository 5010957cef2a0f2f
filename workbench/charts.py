"""Charts of what was measured, as plotly figures; each takes a run or its measurements.

Every figure states its finding as its title, says below how its numbers were obtained and what is missing, and can be
read without colour: what differs in colour (the palette of Okabe and Ito, safe for the colour-blind) also differs in
pattern, symbol, dash or text. A partial run draws what there is. This file is longer than others because it alone
imports plotly: what is said is worked out in `findings`, what is drawn is here.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

import plotly.graph_objects as go
import plotly.io
import plotly.offline
from plotly.subplots import make_subplots

from workbench import findings
from workbench.findings import boxes, burst, cold, forces, money
from workbench.findings.selecting import Measured, Selection, display_name, name_of, sandbox_of, select
from workbench.findings.wording import (
    capitalised,
    entries,
    milliseconds,
    number,
    numbers,
    pair,
    seconds,
    significant,
    times,
)
from workbench.findings.wording import goal as wording_goal
from workbench.records import Measurement, Run

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
_PHASE_LOOKS: dict[str, tuple[str, str]] = {
    "sandbox": (SKY, ""),
    "runtime_init": (ORANGE, "/"),
    "function_init": (GREEN, "."),
    "handler": (VERMILLION, "x"),
    "rest": ("#c8c8c8", "\\"),
}
_REST = "rest: the request's way, and what is not seen"
_FAILURES: dict[str, tuple[str, str]] = {
    "throttled": (ORANGE, "triangle-up-open"),
    "error": (VERMILLION, "x-thin-open"),
    "timeout": (PURPLE, "square-open"),
    "dropped": (INK, "diamond-open"),
}
_VERDICTS: dict[str, tuple[str, str, str, float]] = {
    "held": ("circle", BLUE, "held", 0.0),
    "broken": ("x", VERMILLION, "broken", 0.5),
    "not testable": ("line-ew-open", GREY, "not testable", 1.0),
}
_TINTS = (
    (0.0, "#d6e9f5"),
    (0.33, "#d6e9f5"),
    (0.33, "#fbdccb"),
    (0.67, "#fbdccb"),
    (0.67, "#efefef"),
    (1.0, "#efefef"),
)
_MOST_POINTS = 3000  # per deployment: more would be a blot, and megabytes in the report


def cold_start(measured: Measured) -> go.Figure:
    """Cold starts in ms: median phases stacked, every sample a dot, p50 with 95 % interval; phases as shares."""
    finding, selection = findings.cold_start(measured), select(measured, "cold_start")
    shown = [m for m in selection.measurements if numbers(m.samples)]
    if not shown:
        return _nothing(finding)
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.6, 0.4], horizontal_spacing=0.03)
    medians = [cold.phase_medians(m) for m in shown]
    widths = [sum(value for value in parts.values() if value is not None) for parts in medians]
    for key, (colour, pattern) in _PHASE_LOOKS.items():
        _add_phase(figure, key, colour, pattern, [m[key] for m in medians], widths)
    for row, m in enumerate(shown):
        _add_cold_samples(figure, row, m, widths[row])
    most = max(max(numbers(m.samples)) for m in shown)
    ticks = [f"<b>{_safe(capitalised(name_of(m)))}</b><br>{_safe(sandbox_of(m))}" for m in shown]
    figure.update_yaxes(
        tickvals=[-row for row in range(len(shown))],
        ticktext=ticks,
        range=[0.5 - len(shown), 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title_text="time from the call to the answer (ms)", range=[0, most * 1.16 or 1], col=1)
    figure.update_xaxes(title_text="share of the bar (%)", range=[0, 100], col=2)
    figure.update_layout(barmode="stack")
    subtitle = "Bars: median of each phase, which need not add up to the median of the whole. Dots: every cold start."
    return _finish(figure, finding, subtitle, plot_height=60 + 95 * len(shown), legend_rows=2)


def _add_phase(
    figure: go.Figure, key: str, colour: str, pattern: str, values: Sequence[float | None], totals: Sequence[float]
) -> None:
    rows = [0.13 - row for row in range(len(values))]
    shares = [100 * (value or 0) / total if total else 0 for value, total in zip(values, totals, strict=True)]
    labels = [_plain_ms(value) if share >= 11 else "" for value, share in zip(values, shares, strict=True)]
    name = cold.PHASES.get(key, _REST)
    look = {
        "color": colour,
        "line": {"color": "white", "width": 1},
        "pattern": {
            "shape": pattern,
            "fillmode": "overlay",
            "fgcolor": "white",
            "fgopacity": 0.75,
            "size": 7,
            "solidity": 0.2,
        },
    }
    common: dict[str, Any] = {
        "y": rows,
        "width": 0.4,
        "orientation": "h",
        "marker": look,
        "name": name,
        "legendgroup": key,
        "customdata": [_plain_ms(value) for value in values],
        "hovertemplate": f"{name}: %{{customdata}}<extra></extra>",
    }
    figure.add_trace(go.Bar(x=[value or 0 for value in values], **common), row=1, col=1)
    figure.add_trace(go.Bar(x=shares, showlegend=False, **common), row=1, col=2)
    for y, share, start, label in zip(rows, shares, _starts(figure, len(values)), labels, strict=True):
        if label:
            figure.add_annotation(
                x=start - share / 2,
                y=y,
                text=label,
                showarrow=False,
                bgcolor="white",
                borderpad=2,
                opacity=0.92,
                font={"size": 12, "color": INK},
                row=1,
                col=2,
            )


def _starts(figure: go.Figure, rows: int) -> list[float]:
    """Where the share bars stacked so far end, one a row."""
    ends = [0.0] * rows
    for trace in figure.select_traces(selector={"type": "bar"}, col=2):
        ends = [end + float(x) for end, x in zip(ends, trace.x, strict=True)]
    return ends


def _add_cold_samples(figure: go.Figure, row: int, m: Measurement, width: float) -> None:
    values = numbers(m.samples)
    lane = -row - 0.27
    jitter = [lane + 0.07 * (((i * 7) % 5) / 2 - 1) for i in range(len(values))]
    figure.add_trace(
        go.Scatter(
            x=values,
            y=jitter,
            mode="markers",
            showlegend=row == 0,
            name="one cold start",
            marker={"size": 6, "color": "rgba(26,26,26,0.35)", "line": {"width": 0}},
            legendgroup="sample",
            hovertemplate="%{x:.3g} ms<extra></extra>",
        ),
        row=1,
        col=1,
    )
    middle, interval = cold.p50(m), pair(m.detail.get("ci95_ms"))
    if middle is None:
        return
    bars = None
    if interval:
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [max(interval[1] - middle, 0)],
            "arrayminus": [max(middle - interval[0], 0)],
            "thickness": 2,
            "width": 7,
            "color": INK,
        }
    figure.add_trace(
        go.Scatter(
            x=[middle],
            y=[lane],
            mode="markers",
            error_x=bars,
            showlegend=row == 0,
            name="median, 95 % interval",
            legendgroup="median",
            hovertemplate=f"median {_plain_ms(middle)}<extra></extra>",
            marker={"size": 10, "symbol": "line-ns-open", "color": INK, "line": {"width": 3}},
        ),
        row=1,
        col=1,
    )
    figure.add_annotation(
        x=max(middle, width),
        y=0.13 - row,
        text=f"<b>{_plain_ms(middle)}</b>",
        showarrow=False,
        xanchor="left",
        xshift=8,
        font={"size": 14},
        row=1,
        col=1,
    )


def scaling(measured: Measured) -> go.Figure:
    """A burst per deployment: latency in ms of every request by planned send time (s), instances below on that axis."""
    finding, selection = findings.scaling(measured), select(measured, "scaling")
    shown = [m for m in selection.measurements if numbers(m.detail.get("planned_s"))]
    if not shown:
        return _nothing(finding)
    figure = make_subplots(
        rows=2,
        cols=len(shown),
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.7, 0.3],
        vertical_spacing=0.06,
        horizontal_spacing=0.03,
        column_titles=[_column_title(m) for m in shown],
    )
    figure.update_annotations(font_size=14)
    low, high = _latency_range(shown)
    marked: set[str] = set()
    for column, m in enumerate(shown, 1):
        thinned = _add_requests(figure, column, m, high, marked)
        _add_goal(figure, column, m)
        _add_instances(figure, column, m)
        if thinned > 1:
            finding = findings.Finding(
                finding.title,
                finding.reading,
                (*finding.notes, f"{capitalised(name_of(m))}: 1 answer in {thinned} drawn."),
                finding.provenance,
            )
    longest = max((max(numbers(m.detail.get("planned_s")), default=0) for m in shown), default=1) or 1
    figure.update_xaxes(range=[-0.02 * longest, 1.02 * longest], nticks=7)
    figure.update_xaxes(title_text="planned send time (s)", row=2)
    figure.update_yaxes(type="log", range=[math.log10(low), math.log10(high) + 0.16], dtick=1, tickformat=",~g", row=1)
    figure.update_yaxes(title_text="latency (ms, log)", row=1, col=1)
    most = max((y for m in shown for _, y in _steps(m, longest)), default=1)
    figure.update_yaxes(range=[0, most * 1.18 or 1], nticks=4, row=2)
    figure.update_yaxes(title_text="instances", row=2, col=1)
    subtitle = (
        "Each dot is one request, timed from its planned sending. Dashed: the goal. Marks along the top: no answer."
    )
    return _finish(figure, finding, subtitle, plot_height=400, legend_rows=1 if marked else 0, column_titles=True)


def _latency_range(shown: Sequence[Measurement]) -> tuple[float, float]:
    values = [v for m in shown for v in (*numbers(m.detail.get("latency_ms")), *numbers([burst.goal_of(m)])) if v > 0]
    return (min(values) * 0.8, max(values) * 1.5) if values else (1.0, 1000.0)


def _add_requests(figure: go.Figure, column: int, m: Measurement, high: float, marked: set[str]) -> int:
    planned = entries(m.detail.get("planned_s"))
    latency, status = entries(m.detail.get("latency_ms")), entries(m.detail.get("status"))
    answered: list[tuple[float, float]] = []
    failed: dict[str, list[float]] = {}
    for at, took, end in zip(planned, latency, status, strict=False):
        when, value = number(at), number(took)
        if when is None:
            continue
        if end == burst.ANSWERED and value is not None:
            answered.append((when, max(value, 0.01)))
        elif end != burst.ANSWERED:
            failed.setdefault(str(end), []).append(when)
    step = -(-len(answered) // _MOST_POINTS) or 1
    colour, _, symbol = _look(m.deployment)
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in answered[::step]],
            y=[y for _, y in answered[::step]],
            mode="markers",
            showlegend=False,
            marker={"size": 5, "color": colour, "symbol": symbol, "opacity": 0.55, "line": {"width": 0}},
            hovertemplate="sent at %{x:.2f} s: %{y:.3g} ms<extra></extra>",
        ),
        row=1,
        col=column,
    )
    for level, (name, times_) in enumerate(sorted(failed.items())):
        mark_colour, mark = _FAILURES.get(name, (INK, "cross-open"))
        figure.add_trace(
            go.Scatter(
                x=times_,
                y=[high * (1 + 0.12 * level)] * len(times_),
                mode="markers",
                name=f"{_safe(name)}, no answer",
                legendgroup=name,
                showlegend=name not in marked,
                hovertemplate=f"{_safe(name)} at %{{x:.2f}} s<extra></extra>",
                marker={"size": 9, "color": mark_colour, "symbol": mark, "line": {"width": 1.6, "color": mark_colour}},
            ),
            row=1,
            col=column,
        )
        marked.add(name)
    return step


def _add_goal(figure: go.Figure, column: int, m: Measurement) -> None:
    goal, reached = burst.goal_of(m), number(m.detail.get("time_to_goal_s"))
    if goal is None or goal <= 0:
        return
    figure.add_hline(y=goal, line={"dash": "dash", "color": INK, "width": 1.5}, row=1, col=column)
    if reached:  # at zero there is no moment to mark
        figure.add_vline(x=reached, line={"dash": "dot", "color": INK, "width": 1.5}, row=1, col=column)


def _column_title(m: Measurement) -> str:
    goal, reached = burst.goal_of(m), number(m.detail.get("time_to_goal_s"))
    said = "not met" if reached is None else f"met after {seconds(reached)}" if reached else "met at once"
    name = f"<b>{_safe(capitalised(name_of(m)))}</b> · {_safe(sandbox_of(m))}"
    return name if goal is None else f"{name}<br>goal {wording_goal(goal)}: {said}"


def _steps(m: Measurement, end: float) -> list[tuple[float, float]]:
    steps = sorted(
        (found[0], found[1]) for entry in entries(m.detail.get("instances")) if len(found := numbers(entry)) == 2
    )
    return [*steps, (max(end, steps[-1][0]), steps[-1][1])] if steps else []


def _add_instances(figure: go.Figure, column: int, m: Measurement) -> None:
    steps = _steps(m, max(numbers(m.detail.get("planned_s")), default=0))
    colour, _, _ = _look(m.deployment)
    if not steps:
        figure.add_annotation(text="not seen", x=0, y=0.5, showarrow=False, xanchor="left", row=2, col=column)
        return
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in steps],
            y=[y for _, y in steps],
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2.5},
            fill="tozeroy",
            fillcolor=_faded(colour),
            showlegend=False,
            hovertemplate="%{y} instances at %{x:.2f} s<extra></extra>",
        ),
        row=2,
        col=column,
    )


def isolation(measured: Measured) -> go.Figure:
    """Isolation probes by deployment: held, broken or not testable, by symbol and word as well as colour."""
    finding, selection = findings.isolation(measured), select(measured, "isolation")
    shown = [m for m in selection.measurements if boxes.probes(m)]
    questions = {p.name: p.question for m in shown for p in boxes.probes(m)}
    if not questions:
        return _nothing(finding)
    keys = list(questions)
    levels: list[list[float | None]] = [[None] * len(shown) for _ in keys]
    figure = go.Figure()
    marks: dict[str, list[tuple[int, int, str]]] = {verdict: [] for verdict in _VERDICTS}
    for column, m in enumerate(shown):
        for probe in boxes.probes(m):
            levels[keys.index(probe.name)][column] = _VERDICTS[probe.verdict][3]
            marks[probe.verdict].append((column, keys.index(probe.name), probe.observed))
    figure.add_trace(
        go.Heatmap(
            z=levels,
            zmin=0,
            zmax=1,
            colorscale=[list(t) for t in _TINTS],
            showscale=False,
            xgap=4,
            ygap=4,
            hoverinfo="skip",
        )
    )
    for verdict, cells in marks.items():
        _add_verdicts(figure, verdict, cells)
    columns = [f"<b>{_safe(capitalised(name_of(m)))}</b><br>{_safe(sandbox_of(m))}" for m in shown]
    wrapped = ["<br>".join(_safe(line) for line in textwrap.wrap(questions[key], 44)) for key in keys]
    figure.update_xaxes(tickvals=list(range(len(shown))), ticktext=columns, side="top", showgrid=False, zeroline=False)
    figure.update_yaxes(
        tickvals=list(range(len(keys))), ticktext=wrapped, range=[len(keys) - 0.5, -0.5], showgrid=False, zeroline=False
    )
    lines = sum(max(text.count("<br>") + 1, 2) for text in wrapped)
    return _finish(
        figure, finding, "Asked from inside the service, beside a neighbour.", 22 * lines + 10, x_on_top=True
    )


def _add_verdicts(figure: go.Figure, verdict: str, cells: Sequence[tuple[int, int, str]]) -> None:
    symbol, colour, word, _ = _VERDICTS[verdict]
    figure.add_trace(
        go.Scatter(
            x=[x - 0.28 for x, _, _ in cells],
            y=[y for _, y, _ in cells],
            mode="markers+text",
            text=[f"  {word}"] * len(cells),
            textposition="middle right",
            textfont={"size": 14, "color": INK},
            showlegend=False,
            marker={"symbol": symbol, "size": 13, "color": colour, "line": {"width": 2, "color": colour}},
            hovertext=["<br>".join(_safe(line) for line in textwrap.wrap(seen, 70)) for _, _, seen in cells],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )


def noisy_neighbour(measured: Measured) -> go.Figure:
    """Median latency beside a noisy neighbour over alone, per deployment, with its 95 % interval; 1 is no effect."""
    finding, selection = findings.noisy_neighbour(measured), select(measured, "isolation")
    shown = [(m, effect) for m in selection.measurements if (effect := boxes.noise(m))]
    if not shown:
        return _nothing(finding)
    figure = go.Figure()
    ends = [1.0]
    for row, (m, effect) in enumerate(shown):
        colour, _, symbol = _look(m.deployment)
        low, high = effect.interval or (effect.ratio, effect.ratio)
        ends += [low, high, effect.ratio]
        word = {"slower": "slowed", "faster": "faster"}.get(effect.verdict, effect.verdict)
        span = f" ({times(low)[:-1]}–{times(high)})" if effect.interval else " (no interval)"
        figure.add_trace(
            go.Scatter(
                x=[effect.ratio],
                y=[-row],
                mode="markers",
                showlegend=False,
                hovertemplate="%{x:.3g}×<extra></extra>",
                marker={"size": 14, "symbol": symbol, "color": colour, "line": {"width": 1, "color": INK}},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [max(high - effect.ratio, 0)],
                    "arrayminus": [max(effect.ratio - low, 0)],
                    "thickness": 2.5,
                    "width": 8,
                    "color": INK,
                },
            )
        )
        figure.add_annotation(
            x=max(high, effect.ratio),
            y=-row,
            text=f"<b>{times(effect.ratio)}</b>{span}: {word}",
            showarrow=False,
            xanchor="left",
            xshift=14,
            font={"size": 14},
        )
    figure.add_vline(x=1, line={"dash": "dash", "color": INK, "width": 1.5})
    span_x = max(max(ends) - min(ends), 0.2)
    ticks = [f"<b>{_safe(capitalised(name_of(m)))}</b><br>{_safe(sandbox_of(m))}" for m, _ in shown]
    figure.update_yaxes(
        tickvals=[-row for row in range(len(shown))],
        ticktext=ticks,
        range=[0.5 - len(shown), 0.5],
        showgrid=False,
        zeroline=False,
    )
    # A third of the width stays free on the right for the labels.
    figure.update_xaxes(
        title_text="median latency beside the neighbour ÷ alone",
        range=[min(ends) - 0.08 * span_x, max(ends) + 0.6 * span_x],
        zeroline=False,
    )
    subtitle = "Mark: ratio of medians. Bar: its 95 % interval. Dashed: no effect."
    return _finish(figure, finding, subtitle, plot_height=40 + 62 * len(shown))


def cost(measured: Measured) -> go.Figure:
    """US dollars per hour by requests per hour, log axes, with each break-even and its interval."""
    finding, selection = findings.cost(measured), select(measured, "cost")
    shown = [(m, money.curve(m)) for m in selection.measurements if money.curve(m)]
    if not shown:
        return _nothing(finding)
    figure = go.Figure()
    for m, points in shown:
        colour, dash, _ = _look(m.deployment)
        figure.add_trace(
            go.Scatter(
                x=[x for x, _ in points],
                y=[y for _, y in points],
                mode="lines",
                name=_safe(capitalised(name_of(m))),
                line={"color": colour, "dash": dash, "width": 3},
                hovertemplate="%{x:,.0f} requests/h: $%{y:.3g}/h<extra></extra>",
            )
        )
    _add_break_evens(figure, selection)
    rates = {rate for m, _ in shown if (rate := number(m.detail.get("at_rate_per_h"))) and rate > 0}
    for rate in rates:
        figure.add_vline(x=rate, line={"dash": "dash", "color": GREY, "width": 1.5})
        figure.add_annotation(
            x=math.log10(rate),
            xref="x",
            y=0.01,
            yref="paper",
            text=f"assumed here: {significant(rate)}/h",
            showarrow=False,
            xanchor="right",
            yanchor="bottom",
            xshift=-5,
            font={"size": 12, "color": GREY},
            bgcolor="white",
        )
    ends = [math.log10(x) for _, points in shown for x, _ in (points[0], points[-1])]
    left, right = min(ends), max(max(ends), min(ends) + 1)
    crossings = [math.log10(found.rate_per_h) for found in money.break_evens(selection)]
    # The lowest break-even's label stands to its right and needs a quarter of the width.
    right = max(right, *(left + (crossing - left) / 0.74 for crossing in crossings[::2]), right)
    figure.update_xaxes(
        title_text="requests per hour (log)", type="log", dtick=1, tickformat=",.0f", range=[left, right + 0.02]
    )
    cheapest, dearest = (f(usd for _, points in shown for _, usd in points) for f in (min, max))
    powers = [10.0**p for p in range(math.floor(math.log10(cheapest)), math.ceil(math.log10(dearest)) + 1)]
    labels = [f"${power:,.12f}".rstrip("0").rstrip(".") for power in powers]
    figure.update_yaxes(title_text="US dollars per hour (log)", type="log", tickvals=powers, ticktext=labels)
    figure.update_yaxes(range=[math.log10(cheapest) - 0.3, math.log10(dearest) + 0.5])
    subtitle = "Diamonds: break-even, with its interval where durations vary."
    return _finish(figure, finding, subtitle, plot_height=400, legend_rows=1)


def _add_break_evens(figure: go.Figure, selection: Selection) -> None:
    by_name = {name_of(m): money.curve(m) for m in selection.measurements}
    for index, found in enumerate(money.break_evens(selection)):
        usd = money.at_rate(by_name.get(found.below, ()), found.rate_per_h)
        if usd is None:
            continue
        bars = None
        if found.low is not None and found.high is not None:
            bars = {
                "type": "data",
                "symmetric": False,
                "array": [max(found.high - found.rate_per_h, 0)],
                "arrayminus": [max(found.rate_per_h - found.low, 0)],
                "thickness": 2.5,
                "width": 8,
                "color": INK,
            }
        figure.add_trace(
            go.Scatter(
                x=[found.rate_per_h],
                y=[usd],
                mode="markers",
                error_x=bars,
                showlegend=index == 0,
                name="break-even",
                marker={"symbol": "diamond", "size": 12, "color": "white", "line": {"width": 2.5, "color": INK}},
                hovertemplate=f"{_safe(found.below)} = {_safe(found.above)}: {_safe(found.span)}<extra></extra>",
            )
        )
        below = index % 2 == 0  # labels alternate between the empty corners: below right, above left
        spread = 26 * (index // 2)
        figure.add_annotation(
            x=math.log10(found.rate_per_h),
            y=math.log10(usd),
            showarrow=True,
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=INK,
            ax=34 if below else -34,
            ay=(52 + spread) if below else -(52 + spread),
            xanchor="left" if below else "right",
            align="left",
            font={"size": 12.5},
            bgcolor="rgba(255,255,255,0.9)",
            standoff=9,
            text=f"<b>{_safe(found.below)} = {_safe(found.above)}</b><br>{_safe(found.span).replace(', ', '<br>')}",
        )


def live(title: str) -> LiveLatency:
    """An empty figure that takes one dot after the other while a measurement goes on."""
    return LiveLatency(title)


_ONE_TWO_FIVE = [digit * 10**power for power in range(-1, 5) for digit in (1, 2, 5)]


class LiveLatency:
    """A widget of latencies in ms by deployment, in the order they come; `figure` is what a cell displays."""

    def __init__(self, title: str) -> None:
        self.figure = go.FigureWidget()
        self._traces: dict[str, int] = {}
        self.figure.update_layout(
            template="plotly_white",
            height=360,
            title={"text": f"<b>{_safe(title)}</b>", "font": {"size": 18}},
            font={"family": FONT, "size": 13, "color": INK},
            xaxis={"title": {"text": "sample"}, "rangemode": "tozero"},
            # Plotly's own labels between powers of ten are a lone 2 or 5.
            yaxis={"title": {"text": "latency (ms, log)"}, "type": "log", "tickvals": _ONE_TWO_FIVE},
            showlegend=True,
        )

    def add(self, deployment: str, latency_ms: float) -> None:
        """Draw one more latency of `deployment`; the last thousand stay."""
        if deployment not in self._traces:
            colour, _, symbol = _look(deployment)
            marker = {"size": 9, "color": colour, "symbol": symbol}
            self._traces[deployment] = len(self.figure.data)
            name = _safe(capitalised(display_name(deployment)))
            self.figure.add_scatter(x=[], y=[], mode="markers", name=name, marker=marker)
        trace = self.figure.data[self._traces[deployment]]
        count = (trace.x[-1] if trace.x else 0) + 1
        with self.figure.batch_update():
            trace.x, trace.y = (*trace.x, count)[-1000:], (*trace.y, latency_ms)[-1000:]


def tradeoff_table(run: Run) -> go.Figure:
    """The nine forces by deployment: each cell a number of this run with its kind of provenance."""
    deployments = run.deployments
    provenance = select(run, "cold_start").provenance
    finding = findings.Finding("The nine forces, by deployment", (), findings.missing(run)[:2], provenance)
    if not run.tradeoff or not deployments:
        empty = findings.Finding("No trade-off was worked out", (), findings.missing(run)[:2], provenance)
        return _nothing(empty)
    names = {m.deployment: m for m in run.measurements}
    titles = forces.rows(run)
    columns: list[list[str]] = [["<br>".join(textwrap.wrap(title, 30)) for title in titles.values()]]
    for deployment in deployments:
        texts = []
        for force in titles:
            content = forces.cell(run, force, deployment)
            lines = [_safe(line) for line in textwrap.wrap(forces.text(content), 26)]
            texts.append(
                "<br>".join([*lines, *([f"<i>{_safe(forces.kind(content))}</i>"] if forces.kind(content) else [])])
            )
        columns.append(texts)
    heads = [
        "<b>Force</b>",
        *(f"<b>{_safe(capitalised(name_of(names[d])))}</b><br>{_safe(sandbox_of(names[d]))}" for d in deployments),
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
    return _finish(
        figure,
        finding,
        "Each cell comes from this run.",
        plot_height=70 + sum(19 * lines + 8 for lines in heights),
        axes=False,
    )


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


def _look(deployment: str) -> tuple[str, str, str]:
    """Colour, dash and symbol of a deployment, the same in every chart."""
    if deployment in _LOOKS:
        return _LOOKS[deployment]
    return _OTHER_LOOKS[sum(deployment.encode()) % len(_OTHER_LOOKS)]


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def _safe(text: str) -> str:
    """Text of a service or a run, so that plotly shows its characters instead of reading them as markup."""
    return html.escape(text, quote=False)


def _plain_ms(value: float | None) -> str:
    return milliseconds(value)


def _finish(
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
    title = textwrap.wrap(finding.title, 100, break_on_hyphens=False) or [""]
    below = [*textwrap.wrap(" ".join(finding.notes), 118), *textwrap.wrap(f"Provenance: {finding.provenance}", 118)]
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
            "text": f"<b>{'<br>'.join(_safe(line) for line in title)}</b>",
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 4, "t": 14},
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
    lines = "<br>".join(_safe(line) for line in below)
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


def _nothing(finding: findings.Finding) -> go.Figure:
    figure = go.Figure()
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(text="Nothing to draw.", showarrow=False, font={"size": 15, "color": GREY})
    return _finish(figure, finding, "", plot_height=60, axes=False)
