"""From changed code to the first answer, several ways in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from statistics import median
from typing import Any

from workbench.deployment import Deployment
from workbench.experiments.versions import versions_of
from workbench.labs.panel import Panel, duration, table


def first_answers(*deployments: Deployment, payload: Any, rounds: int = 3) -> dict[str, list[float]]:
    """Seconds from the order to deploy a changed copy of the service until its first answer, by deployment.

    Each is a version that no cache has seen, deployed beside the deployment given, which has its platform or engine
    running already. They take turns, so that a machine that drifts hurts all alike.
    """
    found: dict[str, list[float]] = {d.pattern: [] for d in deployments}
    with versions_of(deployments[0].service) as next_version:
        for _ in range(rounds):
            for deployment in deployments:
                version = next_version()
                began = time.monotonic()
                with deployment.beside(version) as fresh:
                    fresh.invoke(payload)
                    found[deployment.pattern].append(time.monotonic() - began)
    return found


def quickest(found: Mapping[str, Sequence[float]]) -> str:
    """The deployment with the smallest median."""
    return min(found, key=lambda name: median(found[name]))


def delivered(found: Mapping[str, Sequence[float]], sandboxes: Mapping[str, str]) -> Panel:
    """One bar for each deployment, the median of its seconds, with every sample beside it."""
    named = {f"{name} ({sandboxes[name]})": values for name, values in found.items()}
    middles = {name: median(values) for name, values in named.items()}
    most = max(middles.values(), default=1.0) or 1.0
    lines = []
    for name, middle in middles.items():
        samples = ", ".join(duration(1000 * value) for value in named[name])
        width = max(3, round(210 * middle / most))
        lines.append(
            f'<div style="margin-top:3px"><span style="display:inline-block;width:260px">{escape(name)}</span>'
            f'<span style="display:inline-block;height:10px;width:{width}px;background:#4c6ef5;border-radius:3px">'
            f'</span> <b>{duration(1000 * middle)}</b> <span style="opacity:.7">{escape(samples)}</span></div>'
        )
    rows = [[name, duration(1000 * middles[name]), str(len(values))] for name, values in named.items()]
    text = table(["", "median", "samples"], rows)[1]
    note = "Bars: medians; beside them every sample. Measured here and now, the three in turn."
    html = "".join(lines) + f'<div style="opacity:.75;margin-top:4px">{note}</div>'
    return Panel("From changed code to the first answer", html, f"{text}\n{note}")
