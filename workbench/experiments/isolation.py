"""What an instance can see and reach of its neighbour, and how much a busy neighbour costs it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.limits import LIMITED, memory_limit
from workbench.experiments.noise import Noise
from workbench.experiments.probes import Pair, Probe, look_around, process_limit, result_of, tmp_limit
from workbench.experiments.probing import ask, probe_beside, probe_service
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance


def isolation(
    *deployments: Deployment, rounds: int = 2, window_s: float = 0.8, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Two probes side by side, a victim and its neighbour, deployed beside each deployment and the same way.

    The neighbour hides a secret; the victim looks for it in processes, environments, files and memory, tries to
    signal and to reach the neighbour and to write where it should not. A third takes more memory and processes than it
    may. Then the victim's unit of work is timed alone and beside a neighbour that takes all the CPU it gets: `rounds`
    times `window_s` seconds each, alone and beside in turn, interleaved over the deployments. Samples: milliseconds of
    the victim's work beside the busy neighbour. Detail: probes (held is None where it could not be tried, `observed`
    has the reason), held, tried, noisy (alone_ms, beside_ms, ratio_p50 and its bootstrap interval, ratio_p95).
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
            pairs.append(open_pairs.enter_context(_pair(deployment)))
            probed[place] += look_around(pairs[place])
            probed[place] += _limits(deployment)
        for turn in range(rounds):
            for place, pair in enumerate(pairs):
                tell("isolation", len(deployments) * (1 + turn) + place, total)
                noise[place].measure(pair.victim, pair.neighbour, window_s)
        for place in range(len(deployments)):
            probed[place].append(noise[place].probe())
        tell("isolation", total, total)
    return so_far(True)


@contextlib.contextmanager
def _pair(deployment: Deployment) -> Iterator[Pair]:
    """A victim and a neighbour who hides a secret, both with the limits of the service under test."""
    secret = f"secret-{secrets.token_hex(16)}"
    resources = deployment.service.resources
    with contextlib.ExitStack() as stack:
        victim = stack.enter_context(probe_beside(deployment, "victim", resources))
        # The neighbour is deployed beside the victim, as one tenant beside another.
        neighbour = victim.beside(probe_service("neighbour", resources, PROBE_SECRET=secret))
        stack.callback(neighbour.close)
        planted = ask(neighbour, "plant", secret=secret)
        stack.callback(_forget, neighbour)
        yield Pair(victim, neighbour, secret, planted, ask(victim, "whoami"))


def _forget(neighbour: Deployment) -> None:
    # Where nothing boxes the neighbour in, its file lies on this machine. If it cannot answer, its own /tmp is gone.
    with contextlib.suppress(WorkbenchError):
        ask(neighbour, "forget")


def _limits(deployment: Deployment) -> list[Probe]:
    """Whether memory, processes and /tmp end where they should, tried on a small instance of its own."""
    with probe_beside(deployment, "limits", LIMITED) as probe:
        found = [
            result_of("process limit", "Is the number of its processes limited?", lambda: process_limit(probe)),
            result_of("tmp limit", "Is the space of its /tmp limited?", lambda: tmp_limit(probe)),
        ]
        memory = memory_limit(probe)
    return [Probe("memory limit", "Does its memory limit hold?", memory.held, memory.observed), *found]


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
