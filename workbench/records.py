"""What was measured, kept for good: immutable measurements with provenance, and runs of them as versioned JSON.

History of the schema, which is written as the field `schema` of a run's JSON:

1   The first.
2   Measurements have `taken_s`: when each sample was taken, so that the drift of the machine can be seen. A run of
    schema 1 is read with it empty: the samples' order is known, their times are not.

A run is written in the newest schema and read in every one up to it, through one step of `_STEPS` a version. An unknown
newer one is refused: what is not understood must not be half read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from workbench.errors import RecordError
from workbench.writing import whole

SCHEMA = 2

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

    `taken_s` says when each sample was taken, in seconds from the experiment's beginning; it is empty where samples
    were not taken in turn with those of other deployments, or nobody noted it.
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
    taken_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.taken_s and len(self.taken_s) != len(self.samples):
            raise RecordError(
                f"{self.experiment} of {self.deployment} has {len(self.samples)} samples, but was given "
                f"{len(self.taken_s)} times at which they were taken. Give each sample its time, or none any."
            )


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
        """Read what `to_json` wrote, now or in an older schema; raises RecordError on a newer one or a missing part."""
        schema = data.get("schema")
        if type(schema) is not int or schema < 1:
            raise RecordError(
                f"This is JSON, but not a run: its schema is {schema!r}. `workbench compare` writes a run."
            )
        if schema > SCHEMA:
            raise RecordError(
                f"This run has schema {schema}, so a newer workbench wrote it; this one reads 1 to {SCHEMA}. Upgrade "
                "the workbench, or measure again."
            )
        try:
            deployments = _part(data, "deployments", dict)
            for version in range(schema, SCHEMA):
                deployments = _STEPS[version](deployments)
            measurements = tuple(
                _measurement(experiment, name, section["sandbox"], body)
                for name, section in deployments.items()
                for experiment, body in section.items()
                if experiment not in ("sandbox", "provenance")
            )
            return cls(
                _part(data, "service", dict),
                _part(data, "environment", dict),
                measurements,
                _part(data, "tradeoff", dict),
                _part(data, "created", str),
                _part(data, "complete", bool),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"This run lacks or garbles a part: {error!r}. Measure again.") from error

    def save(self, path: str | Path) -> Path:
        """Write the run to `path` atomically: a reader sees the old file or the whole new one."""
        target = Path(path)
        text = json.dumps(self.to_json(), indent=1, allow_nan=False)
        with whole(target) as file:
            file.write_text(f"{text}\n", encoding="utf-8")
        return target

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run from `path`; raises RecordError when it is absent, truncated, no run or of a newer schema."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RecordError(f"There is no run at {path}. `workbench compare` writes one.") from error
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path} is not a readable run ({error}). Measure again.") from error
        if not isinstance(data, dict):
            raise RecordError(f"{path} is JSON, but not a run. `workbench compare` writes one.")
        try:
            return cls.from_json(data)
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error


def _from_1(deployments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Schema 1 did not note when samples were taken."""
    return {
        name: {
            key: part if key in ("sandbox", "provenance") else {**part, "taken_s": []} for key, part in section.items()
        }
        for name, section in deployments.items()
    }


_STEPS: dict[int, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {1: _from_1}
"""What makes the deployments of a run of one schema those of the next."""


def _measurement(experiment: str, deployment: str, sandbox: str, body: Mapping[str, Any]) -> Measurement:
    rest = dict(body)
    unit = _part(rest, "unit", str)
    return Measurement(
        experiment,
        deployment,
        sandbox,
        unit,
        _numbers(rest.pop(f"samples_{unit}")),
        Provenance(**rest.pop("provenance")),
        _numbers(rest.pop("warmups")),
        complete=rest.pop("complete"),
        taken_s=_numbers(rest.pop("taken_s")),
        detail={key: value for key, value in rest.items() if key != "unit"},
    )


def _part(data: Mapping[str, Any], name: str, kind: type) -> Any:
    """The part of that name; raises KeyError where it is absent and TypeError where it is of another kind."""
    if not isinstance(data[name], kind):
        raise TypeError(f"{name} is no {kind.__name__}")
    return data[name]


def _numbers(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list | tuple) or any(type(v) not in (int, float) or not math.isfinite(v) for v in values):
        raise TypeError("samples are not a list of numbers")
    return tuple(values)
