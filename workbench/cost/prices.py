"""The price book: list prices with where and when each was read, and whether it was verified."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from workbench.errors import WorkbenchError

SCHEMA = 1

Status = Literal["V", "S", "U"]
"""V: read at the provider's own page. S: on a secondary page. U: unverified, so it has no value here."""

STATUS_WORDS: Mapping[str, str] = MappingProxyType({"V": "verified", "S": "second-hand", "U": "unverified"})


@dataclass(frozen=True)
class Price:
    """US dollars for one `unit` in `region`, without tax or discounts; `minimum_s` is the shortest time billed."""

    key: str
    usd: float
    unit: str
    region: str
    source: str
    status: Status
    date: str
    minimum_s: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class FreeTier:
    """What a month costs nothing for, in `unit`."""

    key: str
    amount: float
    unit: str
    source: str
    status: Status
    date: str


@dataclass(frozen=True)
class Size:
    """What can be rented: vCPUs, memory in MB; `baseline_vcpus` is what a burstable type gives for good."""

    name: str
    vcpus: float
    memory_mb: int
    architecture: str
    baseline_vcpus: float
    source: str
    status: Status


@dataclass(frozen=True)
class PriceBook:
    """Prices, free tiers and rentable sizes as of `date`; `unpriced` names entries whose price nobody verified."""

    date: str
    note: str
    prices: Mapping[str, Price]
    free_tier: Mapping[str, FreeTier]
    vm_types: tuple[Size, ...]
    fargate_sizes: tuple[Size, ...]
    unpriced: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: str | Path | None = None) -> PriceBook:
        """Read the book at `path`, by default the one shipped; raises WorkbenchError naming the entry that is wrong."""
        if path is None:
            return _shipped()
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WorkbenchError(
                f"The price book {path} cannot be read: {error}. Give a JSON file like ours."
            ) from error
        return cls.from_json(data)

    @classmethod
    def from_json(cls, data: Any) -> PriceBook:
        """Check and take over a price book's JSON; raises WorkbenchError naming the entry that is wrong."""
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise WorkbenchError(f"This is no price book of schema {SCHEMA}. Start from the one shipped with us.")
        prices = {key: _price(key, entry) for key, entry in _part(data, "prices").items()}
        fargate = _part(data, "fargate_sizes")
        vm_types = data.get("vm_types")
        if not isinstance(vm_types, list):
            raise WorkbenchError("The price book's vm_types must be a list.")
        return cls(
            _text("the book", data, "date"),
            _text("the book", data, "note"),
            MappingProxyType({key: price for key, price in prices.items() if price is not None}),
            MappingProxyType({key: _free(key, entry) for key, entry in _part(data, "free_tier").items()}),
            tuple(_vm_type(entry) for entry in vm_types),
            tuple(_fargate(fargate)),
            frozenset(key for key, price in prices.items() if price is None),
        )

    def price(self, key: str) -> Price:
        """The price `key`; raises WorkbenchError when the book has none, or none that anybody verified."""
        if key in self.prices:
            return self.prices[key]
        if key in self.unpriced:
            raise WorkbenchError(f"The price {key} is listed as unverified, without a value. Enter it with its source.")
        raise WorkbenchError(f"The price book of {self.date} has no price {key}. Enter it with its source.")


@lru_cache(maxsize=1)
def _shipped() -> PriceBook:
    text = resources.files("workbench.cost").joinpath("price_book.json").read_text(encoding="utf-8")
    return PriceBook.from_json(json.loads(text))


def _price(key: str, entry: Any) -> Price | None:
    status = _status(key, entry)
    if entry.get("usd") is None:
        if status != "U":
            raise WorkbenchError(f"{key} in the price book has no price, so its status must be U.")
        return None
    return Price(
        key,
        _positive(key, entry, "usd"),
        _text(key, entry, "unit"),
        _text(key, entry, "region"),
        _text(key, entry, "source"),
        status,
        _text(key, entry, "date"),
        _positive(key, entry, "minimum_s") if "minimum_s" in entry else 0.0,
        str(entry.get("note", "")),
    )


def _free(key: str, entry: Any) -> FreeTier:
    status = _status(key, entry)
    return FreeTier(
        key,
        _positive(key, entry, "amount"),
        _text(key, entry, "unit"),
        _text(key, entry, "source"),
        status,
        _text(key, entry, "date"),
    )


def _vm_type(entry: Any) -> Size:
    name = _text("a VM type", entry, "name")
    return Size(
        name,
        _positive(name, entry, "vcpus"),
        int(_positive(name, entry, "memory_mb")),
        _text(name, entry, "architecture"),
        _positive(name, entry, "baseline_vcpus"),
        _text(name, entry, "source"),
        _status(name, entry),
    )


def _fargate(part: Mapping[str, Any]) -> list[Size]:
    status, source = _status("fargate_sizes", part), _text("fargate_sizes", part, "source")
    sizes = []
    for row in part.get("grid", ()):
        vcpus = _positive("fargate_sizes", row, "vcpus")
        for memory in row.get("memory_mb", ()):
            memory_mb = int(_positive("fargate_sizes", {"memory_mb": memory}, "memory_mb"))
            name = f"{vcpus:g} vCPU / {memory_mb / 1024:g} GB"
            sizes.append(Size(name, vcpus, memory_mb, "any", vcpus, source, status))
    return sizes


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    if not isinstance(part, dict) or not part:
        raise WorkbenchError(f"The price book lacks its part {name!r}.")
    return part


def _positive(key: str, entry: Any, name: str) -> float:
    value = entry.get(name) if isinstance(entry, dict) else None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(cast(float, value)) or cast(float, value) <= 0:
        raise WorkbenchError(f"{key} in the price book: {name} is {value!r}, not a number above 0.")
    return float(cast(float, value))


def _text(key: str, entry: Any, name: str) -> str:
    value = entry.get(name) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not value:
        raise WorkbenchError(f"{key} in the price book: {name} is missing. Every entry says where it comes from.")
    return value


def _status(key: str, entry: Any) -> Status:
    status = entry.get("status") if isinstance(entry, dict) else None
    if status not in STATUS_WORDS:
        raise WorkbenchError(f"{key} in the price book: the status is {status!r}; write V, S or U.")
    return cast(Status, status)
