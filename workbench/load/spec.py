"""What the generator process is told, as one JSON line: checked where it is made and again where it is obeyed."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.schedule import MAX_DURATION_S, check_bounds

DEFAULT_MAX_CONNECTIONS = 1000
_GRACE_S = 5.0


@dataclass(frozen=True)
class LoadSpec:
    """A load: where to, when (seconds from the start), how long to wait for an answer and how many at once.

    A request due while `max_connections` others wait for their answers is not sent but counted as dropped.
    """

    targets: tuple[Target, ...]
    planned_s: tuple[float, ...]
    timeout_s: float = 30.0
    max_connections: int = DEFAULT_MAX_CONNECTIONS
    allow_remote: bool = False

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
        return self

    def to_json(self) -> dict[str, Any]:
        """As the generator reads it."""
        return {
            "targets": targets_to_json(self.targets),
            "planned_s": [round(at, 7) for at in self.planned_s],
            "timeout_s": self.timeout_s,
            "max_connections": self.max_connections,
            "allow_remote": self.allow_remote,
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


def check_targets(targets: Sequence[Target], *, allow_remote: bool) -> None:
    """Raise WorkbenchError unless there are targets, by HTTP, on this machine or confirmed to be elsewhere."""
    if not targets:
        raise WorkbenchError("A load needs at least one target. Is the deployment still up?")
    for url in {target.url for target in targets}:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError as error:
            raise WorkbenchError(f"{url!r} is no address ({error}). Write it as http://HOST:PORT/PATH.") from error
        if parts.scheme not in ("http", "https") or not host:
            raise WorkbenchError(f"{url!r} is no HTTP address. Write it as http://HOST:PORT/PATH.")
        if not allow_remote and not is_loopback(host):
            raise WorkbenchError(
                f"{host} is not this machine. A load on somebody else's service is an attack; if it is yours and may "
                "be loaded, say so with allow_remote=True (on the command line: --allow-remote)."
            )


def is_loopback(host: str) -> bool:
    """Whether `host` certainly names this machine's loopback interface; other names are not looked up."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def targets_to_json(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Targets as JSON, bodies in base64."""
    return [
        {
            "url": target.url,
            "method": target.method,
            "headers": [list(header) for header in target.headers],
            "body": base64.b64encode(target.body).decode(),
            "group": target.group,
        }
        for target in targets
    ]


def targets_from_json(data: Sequence[Mapping[str, Any]]) -> tuple[Target, ...]:
    """Read what `targets_to_json` wrote; raises KeyError, TypeError or ValueError on anything else."""
    return tuple(
        Target(
            str(entry["url"]),
            str(entry.get("method", "POST")),
            tuple((str(name), str(value)) for name, value in entry.get("headers", ())),
            base64.b64decode(entry.get("body", ""), validate=True),
            str(entry.get("group", "")),
        )
        for entry in data
    )
