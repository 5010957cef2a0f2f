"""What was measured, kept for good: immutable measurements with provenance, and runs of them as versioned JSON.

Schema history: 1 — the first.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from workbench.errors import RecordError

SCHEMA = 1

How = Literal["measured", "recorded", "modelled"]


@dataclass(frozen=True)
class Provenance:
    """How a number was obtained: `measured` (here and now, by `how`), `recorded` (elsewhere or earlier: `source`,
    `date`) or `modelled` (by the model `how`, from `source`)."""

    kind: How
    how: str
    source: str = ""
    date: str = ""


@dataclass(frozen=True)
class Measurement:
    """All samples of one experiment on one deployment, in the order taken; warm-ups apart.

    `detail` is the experiment's own JSON section (its shape is in the experiment's docstring); `complete` is False
    when it was interrupted and holds only what there was.
    """

    experiment: str
    deployment: str
    sandbox: str
    unit: str
    samples: tuple[float, ...]
    provenance: Provenance
    warmups: tuple[float, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True


@dataclass(frozen=True)
class Run:
    """Everything one comparison found: the service, the machine, the measurements and the trade-off table.

    `service`: name, handler, runtime, memory_mb, vcpus, package_sha256, package_bytes. `environment`: cpu, cores,
    memory_mb, kernel, python, versions, isolation (sandbox by deployment), notes. `tradeoff`: force → deployment →
    {value, unit, evidence, provenance}.
    """

    service: Mapping[str, Any]
    environment: Mapping[str, Any]
    measurements: tuple[Measurement, ...] = ()
    tradeoff: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    complete: bool = True

    def add(self, *measurements: Measurement) -> Run:
        """The run with more measurements; one of the same experiment and deployment is replaced."""
        new = {(m.experiment, m.deployment) for m in measurements}
        kept = tuple(m for m in self.measurements if (m.experiment, m.deployment) not in new)
        return replace(self, measurements=kept + measurements)

    def of(self, experiment: str) -> dict[str, Measurement]:
        """The measurements of one experiment by deployment, in the order measured."""
        return {m.deployment: m for m in self.measurements if m.experiment == experiment}

    @property
    def deployments(self) -> tuple[str, ...]:
        """The deployments measured, in the order of the pattern language's comparison."""
        names = dict.fromkeys(m.deployment for m in self.measurements)
        order = ("serverless", "container", "vm")
        return tuple([n for n in order if n in names] + [n for n in names if n not in order])

    def to_json(self) -> dict[str, Any]:
        """The run as JSON: `deployments.{name}.{experiment}` holds a measurement with its detail's fields beside it."""
        deployments: dict[str, dict[str, Any]] = {}
        for m in self.measurements:
            section = deployments.setdefault(m.deployment, {"sandbox": m.sandbox, "provenance": asdict(m.provenance)})
            head = asdict(m)
            detail = head.pop("detail")
            for key in ("experiment", "deployment", "sandbox"):
                head.pop(key)
            clash = set(head) & set(detail)
            if clash:
                raise RecordError(f"{m.experiment} uses reserved field names in its detail: {sorted(clash)}.")
            section[m.experiment] = {**head, f"samples_{m.unit}": list(m.samples), **detail}
            section[m.experiment].pop("samples")
        return {
            "schema": SCHEMA,
            "created": self.created,
            "complete": self.complete,
            "service": dict(self.service),
            "environment": dict(self.environment),
            "deployments": deployments,
            "tradeoff": {force: dict(cells) for force, cells in self.tradeoff.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """Read what `to_json` wrote; raises RecordError on an unknown schema or a missing part."""
        schema = data.get("schema")
        if schema != SCHEMA:
            raise RecordError(
                f"This run has schema {schema!r}; this version of the workbench reads {SCHEMA}. "
                "Upgrade the workbench, or measure again."
            )
        try:
            measurements = tuple(
                _measurement(experiment, name, section["sandbox"], body)
                for name, section in data["deployments"].items()
                for experiment, body in section.items()
                if experiment not in ("sandbox", "provenance")
            )
            return cls(
                data["service"], data["environment"], measurements, data["tradeoff"], data["created"], data["complete"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"This run lacks or garbles a part: {error!r}. Measure again.") from error

    def save(self, path: str | Path) -> Path:
        """Write the run to `path` atomically: a reader sees the old file or the whole new one."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(self.to_json(), file, indent=1, allow_nan=False)
                file.write("\n")
            os.chmod(name, 0o644)
            os.replace(name, target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return target

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run from `path`; raises RecordError when it is absent, truncated or of an unknown schema."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecordError(f"There is no run at {path}. `workbench compare` writes one.") from error
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is not a readable run ({error}). Measure again.") from error
        if not isinstance(data, dict):
            raise RecordError(f"{path} is JSON, but not a run. `workbench compare` writes one.")
        return cls.from_json(data)


def _measurement(experiment: str, deployment: str, sandbox: str, body: Mapping[str, Any]) -> Measurement:
    rest = dict(body)
    unit = rest.pop("unit")
    return Measurement(
        experiment,
        deployment,
        sandbox,
        unit,
        tuple(rest.pop(f"samples_{unit}")),
        Provenance(**rest.pop("provenance")),
        tuple(rest.pop("warmups")),
        complete=rest.pop("complete"),
        detail=rest,
    )
