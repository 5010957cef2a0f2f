"""Callers who keep calling while something happens to a deployment, and what they noticed."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from workbench.deployment import Deployment
from workbench.experiments.traffic import Traffic
from workbench.labs.panel import Panel, table

SHARES = ("none", "a few", "about a third", "most of them")
"""The choices of a question about how many calls fail."""

_AROUND_S = 0.4
"""Called so long before and after, too: a failure may come just after what caused it."""


@contextlib.contextmanager
def calling(deployment: Deployment, payload: Any, every_s: float = 0.05) -> Iterator[Traffic]:
    """Call every `every_s` seconds while the block runs, from a little before until a little after."""
    with Traffic(deployment, payload, every_s) as callers:
        time.sleep(_AROUND_S)
        yield callers
        time.sleep(_AROUND_S)


def share(failed: int, asked: int) -> str:
    """Which of SHARES `failed` of `asked` calls are: a few is less than a fifth, a third up to one half."""
    if not failed:
        return SHARES[0]
    part = failed / asked
    return SHARES[1] if part < 0.2 else SHARES[2] if part <= 0.5 else SHARES[3]


def noticed(callers: Traffic, field: str = "total") -> Panel:
    """How many calls were answered, by what answer's `field`, and what those that failed were told."""
    answers = Counter(str(c.payload.get(field, c.payload)) for c in callers.calls if not c.failure)
    failures = Counter(c.failure for c in callers.calls if c.failure)
    rows = [[f"{field} {answer}", str(n)] for answer, n in answers.items()]
    rows += [[failure, str(n)] for failure, n in failures.most_common(3)]
    html, text = table(["what callers got", "calls"], rows)
    return Panel(f"{callers.asked} calls, {callers.failed} failed", html, text, "note" if callers.failed else "good")
