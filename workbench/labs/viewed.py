"""A deployment as a lab looks at it: under a name of its own, and called by several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult
from workbench.labs.panel import Panel, duration, table


class _Named:
    """A deployment whose measurements are called `pattern`; everything else is passed on."""

    def __init__(self, deployment: Deployment, pattern: str) -> None:
        self._deployment, self.pattern = deployment, pattern

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)


def named(deployment: Deployment, name: str) -> Any:
    """The same deployment under `name`, so that two of one kind can stand beside each other in a figure."""
    return _Named(deployment, name)


def at_once(deployment: Deployment, payload: Any, n: int) -> list[InvocationResult]:
    """The answers to `n` calls made at the same moment, in the order of the calls; raises what `invoke` raises."""
    with ThreadPoolExecutor(n) as callers:
        return list(callers.map(deployment.invoke, [payload] * n))


def beside(results: Mapping[str, InvocationResult], fields: Sequence[str] = ()) -> Panel:
    """Answers side by side: who answered, whether it was a cold start, how long it took, and `fields` of the answer."""
    rows = [
        [name, r.instance_id, "yes" if r.cold else "no", duration(r.latency_ms), *(str(r.payload[f]) for f in fields)]
        for name, r in results.items()
    ]
    html, text = table(["", "instance", "cold", "answered in", *fields], rows)
    return Panel("Who answered", html, text)


def common(results: Sequence[InvocationResult], fields: Sequence[str]) -> str:
    """Which of two fields all answers have in common: its name, "both" or "neither"."""
    found = [f for f in fields if len({str(r.payload[f]) for r in results}) == 1]
    return found[0] if len(found) == 1 else "both" if found else "neither"
