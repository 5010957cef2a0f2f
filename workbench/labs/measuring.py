"""Run an experiment as a notebook should: with its progress shown, and with what it has when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.experiments import Interrupted
from workbench.labs.bar import bar
from workbench.labs.panel import say
from workbench.records import Measurement


def measure(experiment: Callable[..., tuple[Measurement, ...]], *args: Any, **options: Any) -> tuple[Measurement, ...]:
    """`experiment(*args, **options)` with a bar and the time left; interrupted, it returns the samples so far.

    What it returns then is marked as not complete, and every figure of it says so. Interrupted before there was a
    sample, it goes on as a KeyboardInterrupt.
    """
    shown = bar()
    try:
        return experiment(*args, progress=shown, **options)
    except Interrupted as interrupt:
        shown.interrupted()
        if not interrupt.measurements:
            raise
        from IPython.display import display

        counted = [f"{m.deployment} {len(m.samples)}" for m in interrupt.measurements]
        kept = f"Kept are the samples so far ({', '.join(counted)}); everything that it had started was stopped."
        goes_on = "The cells below use what there is, and say so. Run this cell again for all of it."
        display(say("Interrupted", kept, goes_on, kind="note"))  # type: ignore[no-untyped-call]
        return interrupt.measurements
