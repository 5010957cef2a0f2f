"""Hints of an exercise, shown one by one, each only when asked for; how many were shown is kept."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from workbench.labs.panel import Panel, card, say
from workbench.labs.progress import Store


def _valid(entry: Any) -> bool:
    return (
        isinstance(entry, dict) and isinstance(entry.get("hints", 0), int) and isinstance(entry.get("checks", 0), int)
    )


def store() -> Store:
    """Where the progress of exercises is kept: hints shown, checks run, when it first passed."""
    return Store("exercises", _valid)


def shown(exercise: str) -> int:
    """How many hints of `exercise` the learner has seen."""
    entry = store().read().get(exercise) or {}
    return int(entry.get("hints", 0))


def reveal(exercise: str, hints: Sequence[str]) -> Panel:
    """Show the next hint, or all of them again when there is none left."""
    seen = min(shown(exercise) + 1, len(hints))
    store().update(exercise, lambda entry: {**(entry or {}), "hints": seen})
    return say(f"Hint {seen} of {len(hints)}", hints[seen - 1], kind="note")


class HintBox(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A button that shows the next hint below those already seen."""

    def __init__(self, exercise: str, hints: Sequence[str]) -> None:
        self._exercise, self._hints = exercise, tuple(hints)
        self._button = widgets.Button(layout=widgets.Layout(width="auto"), icon="lightbulb-o")
        self._text = widgets.HTML()
        self._button.on_click(lambda _: self.reveal())
        self._show()
        super().__init__([self._button, self._text])

    def reveal(self) -> None:
        """Show one more."""
        reveal(self._exercise, self._hints)
        self._show()

    def _show(self) -> None:
        seen, total = min(shown(self._exercise), len(self._hints)), len(self._hints)
        self._button.description = f"Show hint {seen + 1} of {total}" if seen < total else f"All {total} hints shown"
        self._button.disabled = seen >= total
        self._text.value = "".join(
            card(f"Hint {i} of {total}", f"<div>{escape(hint)}</div>", "note")
            for i, hint in enumerate(self._hints[:seen], 1)
        )

    def __repr__(self, *_: Any, **__: Any) -> str:
        return f"{len(self._hints)} hints"
