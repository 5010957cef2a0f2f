"""Run an experiment as a notebook should: with its progress shown, and with what it has when it is interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from workbench.experiments import Interrupted, Progress
from workbench.experiments.progress import followed
from workbench.labs.bar import Bar, bar
from workbench.labs.drawing import Draw, Drawing
from workbench.labs.panel import say
from workbench.records import Measurement


def measure(
    experiment: Callable[..., tuple[Measurement, ...]], *args: Any, draw: Draw | None = None, **options: Any
) -> tuple[Measurement, ...]:
    """`experiment(*args, **options)` with a bar and the time left; interrupted, it returns the samples so far.

    `draw`, a chart that takes measurements, is shown meanwhile of what there is. What it returns when it was
    interrupted is marked as not complete, and every figure of it says so. Interrupted before there was a sample, it
    goes on as a KeyboardInterrupt.
    """
    shown = bar()
    try:
        with _drawn(draw, shown) as progress:
            return experiment(*args, progress=progress, **options)
    except Interrupted as interrupt:
        shown.interrupted()
        if not interrupt.measurements:
            raise
        _say_what_is_kept(interrupt.measurements)
        return interrupt.measurements


@contextlib.contextmanager
def _drawn(draw: Draw | None, shown: Bar) -> Iterator[Progress]:
    """A progress that moves the bar and, where there is something to draw, the figure."""
    if draw is None:
        yield shown
        return
    from IPython.display import display

    drawing = Drawing(draw)
    display(drawing)  # type: ignore[no-untyped-call]

    def progress(stage: str, done: int, total: int) -> None:
        shown(stage, done, total)
        drawing.step()

    try:
        with followed(drawing.follow):
            yield progress
    finally:
        drawing.end()


def _say_what_is_kept(kept: tuple[Measurement, ...]) -> None:
    from IPython.display import display

    counted = ", ".join(f"{m.deployment} {len(m.samples)}" for m in kept)
    said = f"Kept are the samples so far ({counted}); everything that it had started was stopped."
    goes_on = "The cells below use what there is, and say so. Run this cell again for all of it."
    display(say("Interrupted", said, goes_on, kind="note"))  # type: ignore[no-untyped-call]
