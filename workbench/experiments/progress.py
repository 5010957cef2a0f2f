"""How an experiment tells how far it is, and how it ends early without losing what it has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from workbench.records import Measurement

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and of how many."""


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that tells nobody."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during an experiment; `measurements` is what there was by then, each marked as not complete."""

    def __init__(self, measurements: tuple[Measurement, ...]) -> None:
        super().__init__(f"interrupted; {len(measurements)} measurements kept")
        self.measurements = measurements


@contextlib.contextmanager
def keeping(so_far: Callable[[], tuple[Measurement, ...]]) -> Iterator[None]:
    """Turn Ctrl-C inside into Interrupted with those measurements of `so_far()` that hold a sample or a probe."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interrupted(tuple(m for m in so_far() if m.samples or m.detail.get("probes"))) from interrupt
