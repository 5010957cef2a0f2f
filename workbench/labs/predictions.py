"""What do you expect? A prediction made before a run, kept on disk, and held against the measurement afterwards."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal

from workbench.labs.panel import Kind, Panel, duration, say
from workbench.labs.progress import Store, now

Expected = float | str
Verdict = Literal["spot on", "close", "right order of magnitude", "a surprise", "right", "not this time"]

ANSWERS = "WORKBENCH_ANSWERS"
"""Environment variable with predictions as JSON, key → value, for where nobody can click."""


def _valid(entry: Any) -> bool:
    return isinstance(entry, list) and all(
        isinstance(a, dict) and isinstance(a.get("expected"), int | float | str) and isinstance(a.get("at"), str)
        for a in entry
    )


def store() -> Store:
    """Where predictions are kept."""
    return Store("predictions", _valid)


def keep(key: str, expected: Expected) -> Store:
    """Keep a prediction; before its run it replaces the last one, after it a new attempt begins."""

    def change(attempts: Any) -> list[dict[str, Any]]:
        done = [a for a in attempts or [] if "measured" in a]
        return [*done, {"expected": expected, "at": now()}]

    kept = store()
    kept.update(key, change)
    return kept


def pending(key: str) -> Expected | None:
    """The prediction that waits for its run, if there is one."""
    attempts = store().read().get(key) or [{}]
    return None if "measured" in attempts[-1] else attempts[-1].get("expected")


def attempts(key: str) -> tuple[Mapping[str, Any], ...]:
    """Every attempt so far, oldest first: expected, at, and once run: measured, measured_at, verdict."""
    return tuple(store().read().get(key, ()))


def answer_given(key: str, answer: Expected | None = None) -> Expected | None:
    """The prediction for `key` that a notebook without a reader was given: by argument, else by WORKBENCH_ANSWERS."""
    if answer is not None:
        return answer
    try:
        given = json.loads(os.environ.get(ANSWERS, "{}"))
    except ValueError:
        return None
    return given.get(key) if isinstance(given, dict) else None


def verdict(expected: Expected, measured: Expected) -> Verdict:
    """How near a prediction was: a number by the factor between the two (1.25, 2, 10), a choice by being the same."""
    if isinstance(expected, str) or isinstance(measured, str):
        return "right" if expected == measured else "not this time"
    factor = off_by(expected, measured)
    if factor <= 1.25:
        return "spot on"
    if factor <= 2:
        return "close"
    return "right order of magnitude" if factor <= 10 else "a surprise"


def off_by(expected: float, measured: float) -> float:
    """The factor between two positive numbers, 1 or more; infinite when either is not positive."""
    if expected <= 0 or measured <= 0:
        return float("inf")
    return max(expected / measured, measured / expected)


def score(key: str, measured: Expected | None, how: str = "measured") -> Panel:
    """Hold the kept prediction against what was measured (numbers in ms), keep both, and say how near it was.

    Run again, it holds the same prediction against the new measurement. Without a prediction it says so: one made
    after the fact is worth nothing. None, for what this machine cannot measure, leaves the prediction waiting. `how`
    it was found is shown with it: "modelled" where no clock ran.
    """
    if measured is None:
        return say("Not measured", "This machine cannot do it, so your prediction waits for one that can.", kind="note")
    shown = say_value(measured)
    if not attempts(key):
        return say(f"{how.capitalize()}: {shown}", "You had made no prediction. Make one first next time.", kind="note")
    kept = store()

    def change(entry: Any) -> Any:
        last = {**entry[-1], "measured": measured, "measured_at": now()}
        return [*entry[:-1], {**last, "verdict": verdict(last["expected"], measured)}]

    last = kept.update(key, change)[-1]
    return _scored(last["expected"], measured, last["verdict"], how, kept.notice)


def say_value(value: Expected) -> str:
    """A choice as it is, a number of milliseconds in the unit a person would choose."""
    return value if isinstance(value, str) else duration(value)


def _scored(expected: Expected, measured: Expected, found: Verdict, how: str, notice: str) -> Panel:
    rows = [("you expected", expected), (how, measured)]
    numbers = [v for _, v in rows if not isinstance(v, str)]
    how = ""
    if len(numbers) == 2:
        factor = off_by(numbers[0], numbers[1])
        how = "" if factor <= 1.25 else f"off by a factor of {factor:.2g}" if factor < 1e6 else "worlds apart"
    title = f"{found[0].upper()}{found[1:]}" + (f": {how}" if how else "")
    bars = "".join(_bar(name, value, max(numbers, default=1)) for name, value in rows)
    text = "\n".join(f"{name}: {say_value(value)}" for name, value in rows)
    kind: Kind = "note" if found in ("a surprise", "not this time") else "good"
    html = f'<div style="margin-top:6px">{bars}</div>' + (f"<div>{escape(notice)}</div>" if notice else "")
    return Panel(title, html, text, kind)


def _bar(name: str, value: Expected, most: float) -> str:
    label = f'<span style="display:inline-block;width:110px;opacity:.75">{escape(name)}</span>'
    if isinstance(value, str):
        return f"<div>{label}<b>{escape(value)}</b></div>"
    width = max(3, round(380 * value / most)) if most > 0 else 3
    colour = "#4c6ef5" if name == "you expected" else "#2b8a5b"
    bar = (
        f'<span style="display:inline-block;height:10px;width:{width}px;background:{colour};border-radius:3px"></span>'
    )
    return f"<div>{label}{bar} <b>{escape(say_value(value))}</b></div>"


def scoreboard(keys: Sequence[str]) -> Panel:
    """How many of the predictions `keys` were made and how many came near (within a factor of two, or right)."""
    content = store().read()
    last = [content[key][-1] for key in keys if content.get(key)]
    near = sum(a.get("verdict") in ("spot on", "close", "right") for a in last)
    made = f"{len(last)} of {len(keys)} predictions made"
    return say(f"{made}, {near} of them came near", "Being surprised is the point: it shows where to look closer.")
