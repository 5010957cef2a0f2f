"""A figure of what an experiment has so far, drawn anew between its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from workbench.experiments.progress import SoFar
from workbench.records import Measurement

Draw = Callable[[tuple[Measurement, ...]], Any]
"""A chart of the package `charts` that takes measurements."""

_SHARE = 0.1
"""Drawing may take so much of the time: it delays the next step, though it disturbs none."""


class Drawing(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows `draw(so_far())`, again and again, until the experiment is over: then the figure proper takes over."""

    def __init__(self, draw: Draw, clock: Callable[[], float] = time.monotonic) -> None:
        # Slow to import, so only where a figure is drawn; and before that begins, as an import that is interrupted
        # halfway leaves a module that nobody can use.
        import scipy.stats  # noqa: F401

        from workbench.charts import LiveFigure

        self._draw, self._clock = draw, clock
        self._so_far: SoFar | None = None
        self._not_before = clock()
        self._live = LiveFigure()
        super().__init__([self._live.figure])

    def follow(self, so_far: SoFar) -> None:
        """What to draw from now on."""
        self._so_far = so_far

    def step(self) -> None:
        """Between two steps: draw, if there is something and the last drawing is long enough ago."""
        began = self._clock()
        if self._so_far is None or began < self._not_before:
            return
        measured = tuple(m for m in self._so_far() if m.samples)
        if measured:
            self._live.show(self._draw(measured))
        took = self._clock() - began
        self._not_before = began + took / _SHARE

    def end(self) -> None:
        """Take the figure away."""
        self.children = ()
        self._live.figure.close()

    def __repr__(self, *_: Any, **__: Any) -> str:
        return "a figure that fills while it is measured"
