"""Layers: code that several functions share, unpacked at /opt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.faas.functions.function import base64_digest
from workbench.faas.functions.names import layer_arn


@dataclass(frozen=True)
class LayerVersion:
    """One published version of a layer; `policy` has the statements of who may use it, by their ids."""

    name: str
    region: str
    version: int
    code_sha256: str
    code_size: int
    created: str
    description: str = ""
    license_info: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    policy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy_revision: str = ""

    @property
    def arn(self) -> str:
        """The ARN of this version."""
        return layer_arn(self.region, self.name, self.version)

    def listed(self) -> dict[str, Any]:
        """As AWS's LayerVersionsListItem."""
        return {
            "LayerVersionArn": self.arn,
            "Version": self.version,
            "Description": self.description,
            "CreatedDate": self.created,
            "CompatibleRuntimes": list(self.runtimes) or None,
            "CompatibleArchitectures": list(self.architectures) or None,
            "LicenseInfo": self.license_info or None,
        }

    def shown(self, location: str) -> dict[str, Any]:
        """As AWS's GetLayerVersionResponse."""
        content = {
            "Location": location,
            "CodeSha256": base64_digest(self.code_sha256),
            "CodeSize": self.code_size,
        }
        return {**self.listed(), "LayerArn": layer_arn(self.region, self.name), "Content": content}

    def fits(self, runtime: str | None, architecture: str | None) -> bool:
        """Whether it says that it is for these; one that says nothing is listed only where nothing is asked for."""
        return runtime in (None, *self.runtimes) and architecture in (None, *self.architectures)

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LayerVersion:
        """What `to_json` wrote."""
        values = json.loads(text)
        lists = {key: tuple(values[key]) for key in ("runtimes", "architectures")}
        return cls(**{**values, **lists})


class Layers:
    """All layer versions by name and number."""

    def __init__(self) -> None:
        self._layers: dict[str, dict[int, LayerVersion]] = {}

    def get(self, name: str, version: int) -> LayerVersion | None:
        """One version."""
        return self._layers.get(name, {}).get(version)

    def put(self, layer: LayerVersion) -> None:
        """Add or replace one."""
        self._layers.setdefault(layer.name, {})[layer.version] = layer

    def remove(self, name: str, version: int) -> None:
        """Forget one."""
        versions = self._layers.get(name, {})
        versions.pop(version, None)
        if not versions:
            self._layers.pop(name, None)

    def versions(self, name: str) -> list[LayerVersion]:
        """A layer's versions, newest first."""
        return sorted(self._layers.get(name, {}).values(), key=lambda layer: -layer.version)

    def names(self) -> list[str]:
        """All layers, by name."""
        return sorted(self._layers)

    def digests(self) -> set[str]:
        """What code they are made of."""
        return {layer.code_sha256 for layer in self}

    def __iter__(self) -> Iterator[LayerVersion]:
        return (layer for name in self.names() for layer in self.versions(name))
