"""What it changes how many requests one instance handles at a time, for a handler that works and one that waits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.load import LoadResult, Schedule, run_load
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile

EXPERIMENT = "concurrency"
BATCH = 16

HANDLERS: dict[str, dict[str, object]] = {
    "works": {"rounds": 20_000},
    "waits": {"rounds": 1, "wait_ms": 30},
}
"""Payloads of the sample `hashing`: one that is busy with the CPU, one that waits as for a database."""


def concurrency(
    levels: Mapping[int, Deployment],
    *,
    handlers: Mapping[str, Any] = HANDLERS,
    batch: int = BATCH,
    rounds: int = 3,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Send a batch of requests at the same moment to one instance that handles so many at a time, by level and handler.

    A batch shows both sides: how soon all are answered (throughput) and how long the one in the middle waited
    (latency). Levels and handlers take turns, `rounds` times. `levels` are deployments of one service that differ in
    their concurrency alone; `handlers` the payloads that make it work or wait. A measurement for each pair, named
    "waits, 8 at a time"; samples: milliseconds from the moment of sending to the answer. Detail: handler, level,
    per_s (requests answered a second until the last was, by round), median_ms (by round), counts, batch. Raises
    DeploymentError for a batch that tells nothing, what `invoke` raises, and Interrupted.
    """
    if batch < 2 or rounds < 1 or not levels or not handlers:
        raise DeploymentError("A batch of two requests or more, a round or more, a level and a handler are needed.")
    tell = progress or silent
    found: dict[tuple[str, int], list[LoadResult]] = {(name, level): [] for name in handlers for level in levels}
    total = rounds * len(found)

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(
            _measurement(levels[level], name, level, batch, results, complete)
            for (name, level), results in found.items()
        )

    with keeping(lambda: so_far(False)):
        for deployment in levels.values():
            deployment.scale(1)
            for payload in handlers.values():
                deployment.invoke(payload)  # warm-up: the first call of an instance loads what only calls need
        for done in range(total):
            name, level = list(found)[done % len(found)]
            tell(EXPERIMENT, done, total)
            found[name, level].append(_batch(levels[level], handlers[name], batch))
        tell(EXPERIMENT, total, total)
    return so_far(True)


def _batch(deployment: Deployment, payload: Any, batch: int) -> LoadResult:
    at_once = Schedule("batch", (0.0,) * batch, 1.0, float(batch), None)
    return run_load(deployment.targets(payload), at_once, timeout_s=float(deployment.service.resources.timeout_s))


def _measurement(
    deployment: Deployment, name: str, level: int, batch: int, results: list[LoadResult], complete: bool
) -> Measurement:
    answered = [result.ok_ms for result in results if result.ok_ms]
    counts: dict[str, int] = {}
    for result in results:
        for status, number in result.counts.items():
            counts[status] = counts.get(status, 0) + number
    detail = {
        "handler": name,
        "level": level,
        "batch": batch,
        "per_s": [len(ms) / max(ms) * 1000 for ms in answered],
        "median_ms": [percentile(ms, 50) for ms in answered],
        "counts": counts,
    }
    how = (
        f"{len(results)} batches of {batch} requests sent at the same moment to one instance; levels and handlers "
        "in turn"
    )
    return Measurement(
        EXPERIMENT,
        f"{name}, {level} at a time",
        deployment.sandbox,
        "ms",
        tuple(ms for result in results for ms in result.ok_ms),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
