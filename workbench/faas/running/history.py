"""Every change of state of the instances, by function."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

from workbench.faas.messages import Moved
from workbench.instance import InstanceState

_LIVES = 50_000
_TURNS = 20_000


@dataclass
class _Past:
    # Apart, so that a heavy load's thousands of turns a second never push out when instances came and went.
    lives: deque[Moved] = field(default_factory=lambda: deque(maxlen=_LIVES))
    turns: deque[Moved] = field(default_factory=lambda: deque(maxlen=_TURNS))


class History:
    """Of each function, over all versions, the latest 50,000 starts, freezes and ends, and 20,000 turns."""

    def __init__(self) -> None:
        self._by_function: dict[str, _Past] = {}

    def add(self, move: Moved) -> None:
        """Record one change."""
        name = move.function.partition(":")[0]
        past = self._by_function.get(name)
        if past is None:
            past = self._by_function[name] = _Past()
        turn = move.state is InstanceState.BUSY or move.state is InstanceState.IDLE
        (past.turns if turn else past.lives).append(move)

    def of(self, function: str) -> list[dict[str, Any]]:
        """As InstanceEvent's fields, oldest first."""
        past = self._by_function.get(function, _Past())
        return [as_event(move) for move in merge(past.lives, past.turns, key=lambda move: move.at)]

    def forget(self, function: str) -> None:
        """The function is deleted."""
        self._by_function.pop(function, None)


def as_event(move: Moved) -> dict[str, Any]:
    """One change of state as InstanceEvent's fields."""
    return {"at_s": move.at, "instance_id": move.instance, "state": str(move.state), "detail": move.detail}
