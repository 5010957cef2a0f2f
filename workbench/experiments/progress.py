"""How an experiment tells how far it is, and how it ends early without losing what it has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from workbench.records import Measurement

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and of how many."""


SoFar = Callable[[], tuple[Measurement, ...]]
"""Gives what an experiment has measured by now."""

_follower: ContextVar[Callable[[SoFar], None] | None] = ContextVar("follower", default=None)


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that tells nobody."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during an experiment; `measurements` is what there was by then, each marked as not complete."""

    def __init__(self, measurements: tuple[Measurement, ...]) -> None:
        super().__init__(f"interrupted; {len(measurements)} measurements kept")
        self.measurements = measurements


@contextlib.contextmanager
def keeping(so_far: SoFar) -> Iterator[None]:
    """Turn Ctrl-C inside into Interrupted with those measurements of `so_far()` that hold a sample or a probe.

    Who follows the experiment (see `followed`) is told of `so_far`.
    """
    follow = _follower.get()
    if follow is not None:
        follow(so_far)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interrupted(tuple(m for m in so_far() if m.samples or m.detail.get("probes"))) from interrupt


@contextlib.contextmanager
def followed(follow: Callable[[SoFar], None]) -> Iterator[None]:
    """An experiment that begins inside gives `follow` its `so_far`, to be called between its steps, from its thread."""
    token = _follower.set(follow)
    try:
        yield
    finally:
        _follower.reset(token)
