"""How far a measurement is, in a notebook: a bar a stage, with the time that is left of it."""

from __future__ import annotations

from html import escape
from typing import Any

import ipywidgets as widgets

from workbench.experiments.remaining import Remaining, in_words
from workbench.labs.panel import duration
from workbench.load import Progress as LoadProgress

_NAME = widgets.Layout(width="150px")
_SAID = widgets.Layout(width="auto")


class _Stage:
    """One bar with its name before it and what is left behind it."""

    def __init__(self, name: str) -> None:
        self.remaining = Remaining()
        self.name = name
        self.words = ""
        self._bar = widgets.FloatProgress(min=0, max=1, value=0, layout=widgets.Layout(width="300px", height="18px"))
        self._text = widgets.HTML(layout=_SAID)
        label = widgets.HTML(escape(name), layout=_NAME)
        self.row = widgets.HBox([label, self._bar, self._text], layout=widgets.Layout(align_items="center"))

    def show(self, share: float, words: str) -> None:
        """Set both, which is safe from any thread."""
        self.words = words
        self._bar.value = share
        self._text.value = f'<span style="margin-left:10px;opacity:.85">{escape(words)}</span>'

    def colour(self, style: str) -> None:
        self._bar.bar_style = style


class Bar(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A Progress that a cell displays: give it to an experiment as `progress`, or its `load` to a load."""

    def __init__(self) -> None:
        super().__init__()
        self._stages: dict[str, _Stage] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show that `stage` has come to `done` of `total` steps, and what is left by the steps so far."""
        shown = self._stage(stage)
        shown.remaining.update(done, total)
        over = done >= total
        counted = f"{done} of {total}"
        took = f"{counted}, took {shown.remaining.elapsed_s():.0f} s"
        shown.show(done / total if total else 1.0, took if over else f"{counted}  {shown.remaining.said()}".strip())
        shown.colour("success" if over else "info")

    def load(self, told: LoadProgress) -> None:
        """Show how far a load is, and what its answers come to; when the last request is due is known from its plan."""
        shown = self._stage("load")
        of = "" if told.planned is None else f" of {told.planned:,}"
        words = f"{told.ended:,}{of} requests over" + ("" if told.p99_ms is None else f", p99 {duration(told.p99_ms)}")
        sent = told.remaining_s == 0
        shown.show(
            1.0 if sent else told.t_s / told.duration_s, words if sent else f"{words}  {in_words(told.remaining_s)}"
        )
        shown.colour("success" if sent and told.ended >= (told.planned or 0) else "info")

    def interrupted(self) -> None:
        """Mark what was not finished."""
        for shown in self._stages.values():
            if shown.remaining.seconds() != 0:
                shown.show(shown.row.children[1].value, f"{shown.words.partition('  ')[0]}, interrupted")
                shown.colour("warning")

    def _stage(self, name: str) -> _Stage:
        if name not in self._stages:
            self._stages[name] = _Stage(name)
            self.children = [stage.row for stage in self._stages.values()]
        return self._stages[name]

    def __repr__(self, *_: Any, **__: Any) -> str:
        return "\n".join(f"{name}: {stage.words}" for name, stage in self._stages.items()) or "nothing begun yet"


def bar() -> Bar:
    """Show an empty panel that fills with a bar for each stage of what it is given to."""
    from IPython.display import display

    shown = Bar()
    display(shown)  # type: ignore[no-untyped-call]
    return shown
