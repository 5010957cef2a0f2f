"""What the generator process is told, as one JSON line: checked where it is made and again where it is obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.schedule import MAX_DURATION_S, check_bounds
from workbench.load.targets import check_targets, targets_from_json, targets_to_json

DEFAULT_MAX_CONNECTIONS = 1000
_GRACE_S = 5.0


@dataclass(frozen=True)
class LoadSpec:
    """A load: where to, when (seconds from the start), how long to wait for an answer and how many at once.

    A request due while `max_connections` others wait for their answers is not sent but counted as dropped. The first
    `warmup` requests are sent as the others are, and reported apart.
    """

    targets: tuple[Target, ...]
    planned_s: tuple[float, ...]
    timeout_s: float = 30.0
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    allow_remote: bool = False
    warmup: int = 0

    @property
    def duration_s(self) -> float:
        """When the last request is due."""
        return self.planned_s[-1]

    @property
    def bound_s(self) -> float:
        """Seconds from the start after which the load ends itself, whatever the server does."""
        return self.duration_s + self.timeout_s + _GRACE_S

    def check(self) -> LoadSpec:
        """This spec; raises WorkbenchError when it is out of bounds or leaves this machine unconfirmed."""
        check_targets(self.targets, allow_remote=self.allow_remote)
        planned = self.planned_s
        if not planned:
            raise WorkbenchError("The schedule sends no request. Raise the rate or the duration.")
        if planned[0] < 0 or any(later < earlier for earlier, later in pairwise(planned)):
            raise WorkbenchError("The planned times of a load must rise from 0.")
        # The rate itself was checked when the schedule was drawn. Of a list of times its density remains, with a tenth
        # of room for the chance in drawn arrivals and for the request at time zero.
        density = len(planned) / max(planned[-1], 1.0) / 1.1
        check_bounds(density, max(planned[-1], 1e-9), len(planned))
        _check_time_limit(self.timeout_s)
        if self.max_connections < 1:
            raise WorkbenchError(f"{self.max_connections} connections cannot send anything; allow at least one.")
        if not 0 <= self.warmup < len(planned):
            raise WorkbenchError(
                f"A warm-up of {self.warmup:,} requests leaves nothing of a load of {len(planned):,}. Shorten it, or "
                "lengthen the load."
            )
        return self

    def to_json(self) -> dict[str, Any]:
        """As the generator reads it."""
        return {
            "targets": targets_to_json(self.targets),
            "planned_s": [round(at, 7) for at in self.planned_s],
            "timeout_s": self.timeout_s,
            "max_connections": self.max_connections,
            "allow_remote": self.allow_remote,
            "warmup": self.warmup,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LoadSpec:
        """Read what `to_json` wrote; raises WorkbenchError when a part is missing or out of bounds."""
        try:
            spec = cls(
                targets_from_json(data["targets"]),
                tuple(map(float, data["planned_s"])),
                float(data.get("timeout_s", cls.timeout_s)),
                int(data.get("max_connections", cls.max_connections)),
                data.get("allow_remote") is True,
                int(data.get("warmup", cls.warmup)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(f"The load's JSON lacks or garbles a part: {error!r}.") from error
        return spec.check()


@dataclass(frozen=True)
class ClosedSpec:
    """A closed loop: `clients` that send to `targets`, each again when answered, until `duration_s` has passed."""

    targets: tuple[Target, ...]
    clients: int
    duration_s: float
    timeout_s: float = 30.0
    allow_remote: bool = False

    @property
    def bound_s(self) -> float:
        """Seconds from the start after which the load ends itself, whatever the server does."""
        return self.duration_s + self.timeout_s + _GRACE_S

    def check(self) -> ClosedSpec:
        """This spec; raises WorkbenchError when it is out of bounds or leaves this machine unconfirmed."""
        check_targets(self.targets, allow_remote=self.allow_remote)
        if not 1 <= self.clients <= DEFAULT_MAX_CONNECTIONS:
            raise WorkbenchError(f"There are {self.clients} clients; choose from 1 to {DEFAULT_MAX_CONNECTIONS:,}.")
        if not 0 < self.duration_s <= MAX_DURATION_S:  # a NaN is in no range either
            raise WorkbenchError(
                f"The duration is {self.duration_s:g} s; choose one above 0 and up to {MAX_DURATION_S:g} s."
            )
        _check_time_limit(self.timeout_s)
        return self

    def to_json(self) -> dict[str, Any]:
        """As the generator reads it."""
        return {
            "targets": targets_to_json(self.targets),
            "clients": self.clients,
            "duration_s": self.duration_s,
            "timeout_s": self.timeout_s,
            "allow_remote": self.allow_remote,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ClosedSpec:
        """Read what `to_json` wrote; raises WorkbenchError when a part is missing or out of bounds."""
        try:
            spec = cls(
                targets_from_json(data["targets"]),
                int(data["clients"]),
                float(data["duration_s"]),
                float(data.get("timeout_s", cls.timeout_s)),
                data.get("allow_remote") is True,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WorkbenchError(f"The load's JSON lacks or garbles a part: {error!r}.") from error
        return spec.check()


def read_spec(data: Mapping[str, Any]) -> LoadSpec | ClosedSpec:
    """The load that `data` describes; raises WorkbenchError as its `from_json` does."""
    return ClosedSpec.from_json(data) if "clients" in data else LoadSpec.from_json(data)


def _check_time_limit(timeout_s: float) -> None:
    if not 0 < timeout_s <= MAX_DURATION_S:
        raise WorkbenchError(
            f"The time limit of a request is {timeout_s:g} s; choose one above 0 and up to {MAX_DURATION_S:g} s."
        )
