"""A rolling update as a sequence of steps: how many of the new version to start, how many of the old to let go."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import DeploymentError


@dataclass(frozen=True)
class Pace:
    """How far an update may go above and below the wanted number of instances at any moment.

    Kubernetes calls these `maxSurge` and `maxUnavailable` (its documentation, "Deployments", "Rolling Update
    Deployment"; the default there is 25% of each). Raises DeploymentError where no step could be made.
    """

    surge: int = 1
    unavailable: int = 0

    def __post_init__(self) -> None:
        if self.surge < 0 or self.unavailable < 0 or self.surge + self.unavailable == 0:
            raise DeploymentError(
                f"An update with surge={self.surge} and unavailable={self.unavailable} cannot make a step; "
                "let one of them be 1 or more, neither below 0."
            )


@dataclass(frozen=True)
class Step:
    """Start so many of the new version and wait until they are ready, or stop so many of the old after draining."""

    start: int = 0
    stop: int = 0


def next_step(wanted: int, old: int, new: int, pace: Pace) -> Step | None:
    """What to do with `old` and `new` instances ready, for `wanted` new ones in the end; None when done."""
    if new >= wanted:
        return Step(stop=old) if old else None
    spare = old + new - (wanted - min(pace.unavailable, wanted))
    if old and spare > 0:
        return Step(stop=min(old, spare))
    return Step(start=min(wanted - new, max(1, wanted + pace.surge - old - new)))
