"""The widgets that ask for a prediction: buttons for a choice, a logarithmic slider for a duration."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Any

import ipywidgets as widgets

from workbench.labs import predictions
from workbench.labs.panel import card, duration
from workbench.labs.predictions import Expected

_BUTTON = widgets.Layout(width="auto", min_width="110px", margin="0 8px 0 0")


class Question(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A question in the notebook; `value` is the prediction kept for it, or None."""

    def __init__(self, key: str, question: str, controls: Sequence[Any]) -> None:
        self.key = key
        self._status = widgets.HTML()
        head = widgets.HTML(card("What do you expect?", f"<div>{escape(question)}</div>", "ask"))
        row = widgets.HBox(list(controls), layout=widgets.Layout(margin="2px 0 2px 20px", align_items="center"))
        super().__init__([head, row, self._status])

    @property
    def value(self) -> Expected | None:
        """The prediction that waits for its run."""
        return predictions.pending(self.key)

    def keep(self, expected: Expected) -> None:
        """Keep `expected` and say so."""
        self.show(predictions.keep(self.key, expected).notice)

    def show(self, notice: str = "") -> None:
        """Say what is kept now, and what the last attempt came to."""
        made = predictions.attempts(self.key)
        if not made:
            words = "Nothing kept yet. Click first, then run the next cell."
        elif "measured" in made[-1]:
            was, came = (predictions.say_value(made[-1][k]) for k in ("expected", "measured"))
            words = f"Last time you expected {was} and measured {came}. Click to predict again."
        else:
            words = f"✓ Kept: {predictions.say_value(made[-1]['expected'])}. Now run the next cell."
        text = escape(f"{words} {notice}".strip())
        self._status.value = f'<div class="workbench-kept" style="margin:0 0 8px 20px;opacity:.85">{text}</div>'

    def __repr__(self, *_: Any, **__: Any) -> str:
        return f"a question about {self.key}"


def choose(key: str, question: str, options: Sequence[str], *, answer: str | None = None) -> Question:
    """Ask which of `options` it will be; one click keeps the answer under `key`."""
    buttons = [widgets.Button(description=option, layout=_BUTTON) for option in options]
    asked = Question(key, question, buttons)

    def mark() -> None:
        for button in buttons:
            button.button_style = "primary" if button.description == asked.value else ""

    def clicked(button: Any) -> None:
        asked.keep(button.description)
        mark()

    for button in buttons:
        button.on_click(clicked)
    given = predictions.answer_given(key, answer)
    if isinstance(given, str) and given in options:
        asked.keep(given)
    asked.show()
    mark()
    return asked


def ask(
    key: str, question: str, *, low_ms: float = 0.1, high_ms: float = 10_000, answer: float | None = None
) -> Question:
    """Ask for a duration between `low_ms` and `high_ms` milliseconds; it is kept under `key`, in milliseconds."""
    slider = widgets.FloatLogSlider(
        value=_start(key, low_ms, high_ms),
        min=log10(low_ms),
        max=log10(high_ms),
        step=0.02,
        readout=False,
        layout=widgets.Layout(width="380px"),
    )
    label = widgets.HTML(layout=widgets.Layout(width="84px"))
    button = widgets.Button(description="Keep my prediction", button_style="primary", layout=_BUTTON)
    asked = Question(key, question, [slider, label, button])

    def moved(_: Any = None) -> None:
        label.value = f"<b>{escape(duration(slider.value))}</b>"

    slider.observe(moved, names="value")
    button.on_click(lambda _: asked.keep(float(f"{slider.value:.2g}")))
    given = predictions.answer_given(key, answer)
    if isinstance(given, int | float):
        slider.value = min(max(float(given), low_ms), high_ms)
        asked.keep(float(given))
    moved()
    asked.show()
    return asked


def _start(key: str, low_ms: float, high_ms: float) -> float:
    """The slider's first place: the pending prediction, else the middle, which gives nothing away."""
    kept = predictions.pending(key)
    middle = float((low_ms * high_ms) ** 0.5)
    return min(max(float(kept), low_ms), high_ms) if isinstance(kept, int | float) else middle
