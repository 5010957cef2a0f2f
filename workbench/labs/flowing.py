"""Events as they flow: a figure that fills while a cell makes them come, and the way of each by its id."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import ipywidgets as widgets

from workbench.errors import DeploymentError
from workbench.findings import flowing as found
from workbench.labs.panel import Panel, duration, table

if TYPE_CHECKING:
    from workbench.deployments.following import Following
    from workbench.deployments.standing import StandingPlatform

NBSP = "\u00a0"
_PAUSE_S = 0.1
_DRAWING = 0.2
"""Drawing may take so much of the time."""


class Flow:
    """What happens on a platform while a `with` block lasts; the figure of it is shown and fills meanwhile."""

    def __init__(self, platform: StandingPlatform) -> None:
        self._platform = platform
        self._told: list[Mapping[str, Any]] = []
        self._depths: list[tuple[float, str, int]] = []
        self._not_before_s = 0.0
        self._began_s = 0.0

    def __enter__(self) -> Self:
        from IPython.display import display

        from workbench.charts import LiveFigure  # plotly is slow to import: only where a figure is drawn

        self._live = LiveFigure()
        self._handle: Any = display(widgets.VBox([self._live.figure]), display_id=True)  # type: ignore[no-untyped-call]
        self._began_s = time.time()
        self._following: Following = self._platform.follow("/_workbench/flow?follow")
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        return self

    def _listen(self) -> None:
        for line in self._following:
            if "depth" in line:
                self._depths.append((line["at_s"], line["source"], line["depth"]))
            elif "missed" not in line:  # those are in the whole of it, which the end asks for
                self._told.append(line)

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        """The platform's steps since the block began, oldest first."""
        return tuple(self._told)

    @property
    def depths(self) -> Sequence[tuple[float, str, int]]:
        """How many events waited where, each time it changed: seconds since the epoch, source, waiting."""
        return tuple(self._depths)

    @property
    def runs(self) -> Sequence[found.Try]:
        """Every run of a function that has ended so far."""
        return found.tries(self.steps)

    def until(self, condition: Callable[[], Any], within_s: float = 90.0) -> None:
        """Draw until `condition()` holds; raises DeploymentError when it does not within so many seconds."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                raise DeploymentError(
                    f"What was waited for has not happened within {within_s:g} s. Look at the figure for the last step."
                )
            self._draw()
            time.sleep(_PAUSE_S)

    def until_done(self, events: int, within_s: float = 90.0) -> None:
        """Draw until so many events have been answered or given up."""
        ends = (found.ANSWERED, found.GIVEN_UP)
        self.until(lambda: sum(fate in ends for fate in found.fates(self.steps).values()) >= events, within_s)

    def _draw(self) -> None:
        from workbench import charts

        began = time.monotonic()
        if not self._told or began < self._not_before_s:
            return
        self._live.show(charts.flow(self.steps, self.depths))
        self._not_before_s = time.monotonic() + (time.monotonic() - began) / _DRAWING

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from workbench import charts

        self._following.close()
        self._thread.join()
        whole = self._platform.request("GET", "/_workbench/flow")["steps"]  # a follower may begin late, or miss some
        self._told = [step for step in whole if step["at_s"] >= self._began_s]
        self._handle.update(charts.flow(self.steps, self.depths)._repr_mimebundle_(), raw=True)


def flow(platform: StandingPlatform) -> Flow:
    """Show what becomes of each event while the block lasts: source, batch, instance, result, and what waits."""
    return Flow(platform)


def trace(platform: StandingPlatform, event: str) -> Panel:
    """The way of one event, step by step, by the id that its sender knows (of a message, an object, a record)."""
    return traced(platform.request("GET", "/_workbench/flow")["steps"], event)


def traced(steps: Sequence[Mapping[str, Any]], event: str) -> Panel:
    """The same of these steps."""
    mine = found.of_event(steps, event)
    if not mine:
        return Panel(f"Nothing is known of {event}", "", "It has not been read yet, or that is not its id.", "note")
    start = mine[0]["at_s"]
    rows = [
        [
            f"+{duration((step['at_s'] - start) * 1000)}".replace(" ", NBSP) if step["at_s"] > start else "0",
            step["what"],
            _beside(step),
            f"no.{NBSP}{step['instance'].rpartition('-')[2]}" if step["instance"] else "",
            _line(step["detail"]),
        ]
        for step in mine
    ]
    html, text = table(["after", "it was", "with", "instance", "what was said"], rows)
    return Panel(f"The way of {event}, from {found.source_name(mine[0]['source'])}", html, text)


def _beside(step: Mapping[str, Any]) -> str:
    others = len(step["events"]) - 1
    return f"{others}{NBSP}other{'s' if others > 1 else ''}" if others else "alone"


def _line(detail: str) -> str:
    raised = re.search(r'"errorMessage": ?("(?:[^"\\]|\\.)*")', detail)  # what an error of the handler says
    text = " ".join((json.loads(raised[1]) if raised else detail).split())
    return text if len(text) <= 100 else text[:97] + "..."
