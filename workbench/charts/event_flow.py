"""Events on their way: from their source through batches and instances to a result, and how many wait meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.charts.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION, finish, nothing, safe
from workbench.findings.flowing import ANSWERED, FAILED, Steps, Try, event_flow, source_name, tries

_RESULTS = {ANSWERED: (GREEN, "circle"), FAILED: (VERMILLION, "x"), "given up": (PURPLE, "square")}
_SOURCES = ((BLUE, "solid"), (ORANGE, "dash"), (PURPLE, "dot"))
_DEPTHS_HEIGHT = 110
_LABELLED = 24
"""Of more batches, the sizes would hide one another."""

Depths = Sequence[tuple[float, str, int]]


def flow(steps: Steps, depths: Depths = ()) -> go.Figure:
    """A lane each for sources, batches, instances and results, from the top; a line is one run of the function.

    Below, how many events wait at each source: `depths` are (seconds since the epoch, source, waiting). The axis of
    both counts seconds since the first event.
    """
    finding, runs = event_flow(steps), tries(steps)
    if not steps:
        return nothing(finding)
    start, lanes = min(step["at_s"] for step in steps), _lanes(steps, runs)
    lanes_height, panels = 60 + 44 * len(lanes), 2 if depths else 1
    heights = [lanes_height, _DEPTHS_HEIGHT][:panels]
    figure = make_subplots(rows=panels, shared_xaxes=True, row_heights=heights, vertical_spacing=0.06)
    for result in (ANSWERED, FAILED):
        _add_lines(figure, [run for run in runs if run.result == result], lanes, start)
    _add_sources(figure, steps, lanes, start)
    _add_batches(figure, runs, lanes, start)
    _add_instances(figure, runs, lanes, start)
    _add_results(figure, steps, runs, lanes, start)
    figure.update_yaxes(
        tickvals=list(lanes.values()),
        ticktext=[safe(name) for name in lanes],
        range=[-len(lanes) + 0.4, 0.6],
        zeroline=False,
        row=1,
    )
    if depths:
        _add_depths(figure, depths, start)
        figure.update_yaxes(title_text="waiting", rangemode="tozero", row=2)
    figure.update_xaxes(title_text="seconds since the first event", row=panels)
    subtitle = "A line is one run of the function, from where its events came to what came of them."
    entries = sum(trace.showlegend is not False for trace in figure.data)
    return finish(figure, finding, subtitle, sum(heights), legend_rows=-(-entries // 4))


def _lanes(steps: Steps, runs: Sequence[Try]) -> dict[str, int]:
    """The height of each lane, by its label."""
    sources = dict.fromkeys(source_name(step["source"]) for step in steps if step["source"])
    instances = dict.fromkeys(_instance(run) for run in sorted(runs, key=lambda run: run.ended_s))
    given_up = ["given up"] if any(step["what"] in ("dropped", "dead-lettered") for step in steps) else []
    batch = ["batch"] if any(run.batched_s for run in runs) else []
    names = [
        *sources,
        *batch,
        *instances,
        *(r for r in (ANSWERED, FAILED) if any(x.result == r for x in runs)),
        *given_up,
    ]
    return {name: -place for place, name in enumerate(names)}


def _instance(run: Try) -> str:
    return f"instance {run.instance.rpartition('-')[2]}" if run.instance else "no instance"


def _add_lines(figure: go.Figure, runs: Sequence[Try], lanes: Mapping[str, int], start: float) -> None:
    if not runs:
        return
    x: list[float | None] = []
    y: list[float | None] = []
    for run in runs:
        places = [(run.came_s, source_name(run.source)), (run.batched_s, "batch"), (run.began_s, _instance(run))]
        for at, lane in [*places, (run.ended_s, _instance(run)), (run.ended_s, run.result)]:
            if at is not None:
                x.append(at - start)
                y.append(lanes[lane])
        x.append(None)
        y.append(None)
    result = runs[0].result
    line = {
        "color": GREY if result == ANSWERED else VERMILLION,
        "width": 1.2,
        "dash": "solid" if result == ANSWERED else "dot",
    }
    figure.add_trace(go.Scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False), row=1, col=1)


def _add_sources(figure: go.Figure, steps: Steps, lanes: Mapping[str, int], start: float) -> None:
    came = [step for step in steps if step["what"] in ("received", "accepted") and step["source"]]
    # What was received and then accepted came once.
    received = {(step["source"], event) for step in came if step["what"] == "received" for event in step["events"]}
    came = [s for s in came if s["what"] == "received" or not {(s["source"], e) for e in s["events"]} <= received]
    _dots(
        figure,
        [step["at_s"] - start for step in came],
        [lanes[source_name(step["source"])] for step in came],
        [_size(len(step["events"])) for step in came],
        [f"{len(step['events'])} came" for step in came],
        "came",
        INK,
        "triangle-down",
    )


def _add_batches(figure: go.Figure, runs: Sequence[Try], lanes: Mapping[str, int], start: float) -> None:
    batches = {(run.batch, run.batched_s): run for run in runs if run.batched_s is not None}
    shown = list(batches.values())
    _dots(
        figure,
        [(run.batched_s or 0) - start for run in shown],
        [lanes["batch"] for _ in shown],
        [_size(len(run.events)) for run in shown],
        [f"a batch of {len(run.events)}" for run in shown],
        "batch, with its size",
        BLUE,
        "square",
        [str(len(run.events)) for run in shown] if len(shown) <= _LABELLED else (),
    )


def _add_instances(figure: go.Figure, runs: Sequence[Try], lanes: Mapping[str, int], start: float) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    for run in runs:
        if run.began_s is not None:
            x += [run.began_s - start, run.ended_s - start, None]
            y += [lanes[_instance(run)], lanes[_instance(run)], None]
    if x:
        line = {"color": ORANGE, "width": 9}
        trace = go.Scatter(x=x, y=y, mode="lines", line=line, name="the function runs", hoverinfo="skip")
        figure.add_trace(trace, row=1, col=1)


def _add_results(figure: go.Figure, steps: Steps, runs: Sequence[Try], lanes: Mapping[str, int], start: float) -> None:
    gone = [step for step in steps if step["what"] in ("dropped", "dead-lettered")]
    for result, (colour, symbol) in _RESULTS.items():
        of = [run for run in runs if run.result == result]
        given_up = gone if result == "given up" else []
        times = [run.ended_s - start for run in of] + [step["at_s"] - start for step in given_up]
        sizes = [len(run.events) for run in of] + [len(step["events"]) for step in given_up]
        said = [f"{len(run.failed) or len(run.events)} {result}{_why(run.detail)}" for run in of]
        said += [f"{len(step['events'])} {result}{_why(step['detail'])}" for step in given_up]
        _dots(figure, times, [lanes[result] for _ in times], [_size(n) for n in sizes], said, result, colour, symbol)


def _why(detail: str) -> str:
    return f": {detail[:90]}" if detail else ""


def _size(events: int) -> float:
    """A marker's size, which grows with the number of events but does not cover its neighbours."""
    return float(min(8 + 2 * events**0.5, 22))


def _dots(
    figure: go.Figure,
    x: list[float],
    y: list[int],
    sizes: list[float],
    said: list[str],
    name: str,
    colour: str,
    symbol: str,
    text: Sequence[str] = (),
) -> None:
    if not x:
        return
    trace = go.Scatter(
        x=x,
        y=y,
        mode="markers+text" if text else "markers",
        text=list(text) or None,
        textposition="top center",
        name=name,
        customdata=[safe(one) for one in said],
        marker={"color": colour, "symbol": symbol, "size": sizes, "line": {"color": "white", "width": 1}},
        hovertemplate="%{customdata}<br>at %{x:.3f} s<extra></extra>",
    )
    figure.add_trace(trace, row=1, col=1)


def _add_depths(figure: go.Figure, depths: Depths, start: float) -> None:
    by_source: dict[str, list[tuple[float, int]]] = {}
    for at, source, waiting in depths:
        by_source.setdefault(source_name(source), []).append((max(at - start, 0.0), waiting))
    for place, (name, points) in enumerate(by_source.items()):
        colour, dash = _SOURCES[place % len(_SOURCES)]
        line: dict[str, Any] = {"shape": "hv", "color": colour, "dash": dash, "width": 2}
        trace = go.Scatter(
            x=[at for at, _ in points],
            y=[waiting for _, waiting in points],
            mode="lines+markers",
            name=f"wait at {safe(name)}",
            line=line,
            marker={"size": 5},
            hovertemplate="%{y} wait at %{x:.3f} s<extra></extra>",
        )
        figure.add_trace(trace, row=2, col=1)
