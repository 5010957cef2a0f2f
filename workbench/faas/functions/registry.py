"""Which functions there are, with their published versions and aliases."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from workbench.faas.functions.function import LATEST, Function
from workbench.faas.functions.names import function_arn


@dataclass(frozen=True)
class Alias:
    """A name for a version; `weights` gives shares (0 to 1) of its invocations to other versions."""

    function: str
    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    def configuration(self, region: str) -> dict[str, Any]:
        """As AWS's AliasConfiguration."""
        return {
            "AliasArn": function_arn(region, self.function, self.name),
            "Name": self.name,
            "FunctionVersion": self.version,
            "Description": self.description,
            "RoutingConfig": {"AdditionalVersionWeights": dict(self.weights)} if self.weights else None,
            "RevisionId": self.revision,
        }

    def choose(self, draw: float) -> str:
        """The version that an invocation goes to, by a number drawn from [0, 1)."""
        for version, weight in self.weights.items():
            if draw < weight:
                return version
            draw -= weight
        return self.version

    def versions(self) -> set[str]:
        """Every version that it leads to."""
        return {self.version, *self.weights}

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Alias:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


class Functions:
    """All functions by name; `reserved` and tags are the function's, so its versions do not keep them."""

    def __init__(self) -> None:
        self._latest: dict[str, Function] = {}
        self._versions: dict[str, dict[str, Function]] = {}
        self._aliases: dict[str, dict[str, Alias]] = {}

    def get(self, name: str) -> Function | None:
        """The function of that name as it is now: its $LATEST."""
        return self._latest.get(name)

    def version(self, name: str, number: str) -> Function | None:
        """Its $LATEST or the published version of that number."""
        return self._latest.get(name) if number == LATEST else self._versions.get(name, {}).get(number)

    def versions(self, name: str) -> list[Function]:
        """Its published versions, oldest first."""
        return sorted(self._versions.get(name, {}).values(), key=lambda f: int(f.number))

    def alias(self, name: str, alias: str) -> Alias | None:
        """The alias of that name."""
        return self._aliases.get(name, {}).get(alias)

    def aliases(self, name: str) -> list[Alias]:
        """Its aliases by name."""
        return sorted(self._aliases.get(name, {}).values(), key=lambda a: a.name)

    def put(self, function: Function) -> None:
        """Add or replace one, or a version of one."""
        if function.number == LATEST:
            self._latest[function.name] = function
        else:
            self._versions.setdefault(function.name, {})[function.number] = replace(function, reserved=None, tags={})

    def put_alias(self, alias: Alias) -> None:
        """Add or replace an alias."""
        self._aliases.setdefault(alias.function, {})[alias.name] = alias

    def remove(self, name: str) -> None:
        """Forget one with all its versions and aliases."""
        self._latest.pop(name, None)
        self._versions.pop(name, None)
        self._aliases.pop(name, None)

    def remove_version(self, name: str, number: str) -> None:
        """Forget a published version."""
        self._versions.get(name, {}).pop(number, None)

    def remove_alias(self, name: str, alias: str) -> None:
        """Forget an alias."""
        self._aliases.get(name, {}).pop(alias, None)

    def __iter__(self) -> Iterator[Function]:
        return iter(sorted(self._latest.values(), key=lambda f: f.name))

    def __len__(self) -> int:
        return len(self._latest)

    def everything(self) -> Iterator[Function]:
        """Each function's $LATEST and then its published versions."""
        for latest in self:
            yield latest
            yield from self.versions(latest.name)

    def reserved(self, *, but: str = "") -> int:
        """The concurrency reserved by all functions, one left out."""
        return sum(f.reserved or 0 for f in self._latest.values() if f.name != but)
