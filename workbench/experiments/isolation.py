"""What an instance can see and reach of its neighbour, and how much a busy neighbour costs it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from workbench.deployment import Deployment
from workbench.experiments.neighbours import neighbours, probe_all
from workbench.experiments.noise import Noise
from workbench.experiments.probes import Pair, Probe
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance


def isolation(
    *deployments: Deployment, rounds: int = 2, window_s: float = 0.8, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Two probes side by side, a victim and its neighbour, deployed beside each deployment and the same way.

    The neighbour hides a secret; the victim looks for it in processes, environments, files and memory, tries to signal
    and to reach the neighbour and to write where it should not, and looks which machine is under it. A third takes more
    memory and processes than it may. Then the victim's unit of work is timed alone and beside a neighbour that takes
    all the CPU it gets: `rounds` times `window_s` seconds each, alone and beside in turn, interleaved over the
    deployments. Samples: milliseconds of the victim's work beside the busy neighbour. Detail: probes (held is None
    where it could not be tried, `observed` has the reason), held, tried, noisy (alone_ms, beside_ms, ratio_p50 and its
    bootstrap interval, ratio_p95).
    Everything started here is stopped here. Raises what deploying raises, and Interrupted.
    """
    tell = progress or silent
    probed: dict[int, list[Probe]] = {place: [] for place in range(len(deployments))}
    noise: list[Noise] = [Noise() for _ in deployments]
    total = len(deployments) * (1 + rounds)

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(
            _measurement(d, probed[place], noise[place], complete=complete) for place, d in enumerate(deployments)
        )

    with keeping(lambda: so_far(False)), contextlib.ExitStack() as open_pairs:
        pairs: list[Pair] = []
        for place, deployment in enumerate(deployments):
            tell("isolation", place, total)
            pairs.append(open_pairs.enter_context(neighbours(deployment, deployment.service.resources)))
            probed[place] += probe_all(deployment, pairs[place])
        for turn in range(rounds):
            for place, pair in enumerate(pairs):
                tell("isolation", len(deployments) * (1 + turn) + place, total)
                noise[place].measure(pair.victim, pair.neighbour, window_s)
        for place in range(len(deployments)):
            probed[place].append(noise[place].probe())
        tell("isolation", total, total)
    return so_far(True)


def _measurement(deployment: Deployment, probed: Sequence[Probe], noise: Noise, *, complete: bool) -> Measurement:
    tried = [p for p in probed if p.held is not None]
    detail: dict[str, Any] = {
        "probes": [p.to_json() for p in probed],
        "held": sum(1 for p in tried if p.held),
        "tried": len(tried),
        "noisy": noise.to_json(),
    }
    how = (
        f"{len(probed)} probes from inside a service beside its neighbour; {len(noise.beside_ms)} invocations of a "
        "unit of work beside a neighbour taking all the CPU it gets, in turn with as long a time alone"
    )
    return Measurement(
        "isolation",
        deployment.pattern,
        deployment.sandbox,
        "ms",
        tuple(noise.beside_ms),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
