"""What hangs on a function, or a version or alias of it, besides its settings: JSON records in memory and on disk."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from workbench.faas.functions.storage import Storage

Record = dict[str, Any]


class Attached:
    """The records of one kind by function and qualifier; the qualifier is empty for the function itself.

    `gone`, when set, is told of each that is removed.
    """

    def __init__(self, storage: Storage, kind: str) -> None:
        self._storage = storage
        self._kind = kind
        self._records: dict[str, dict[str, Record]] = {}
        self.gone: Callable[[str, str], Awaitable[None]] | None = None
        for function, qualifier, text in storage.attachments(kind):
            self._records.setdefault(function, {})[qualifier] = json.loads(text)

    def get(self, function: str, qualifier: str) -> Record | None:
        """The record of exactly that."""
        return self._records.get(function, {}).get(qualifier)

    def of(self, function: str) -> list[tuple[str, Record]]:
        """Qualifiers and records of one function, in the qualifiers' order."""
        return sorted(self._records.get(function, {}).items())

    def all(self) -> list[tuple[str, str, Record]]:
        """Every function, qualifier and record."""
        return [(name, qualifier, record) for name in sorted(self._records) for qualifier, record in self.of(name)]

    async def put(self, function: str, qualifier: str, record: Record) -> None:
        """Keep a record; in force and on disk when this returns."""
        await self._storage.attach(self._kind, function, qualifier, json.dumps(record))
        self._records.setdefault(function, {})[qualifier] = record

    async def remove(self, function: str, qualifier: str) -> None:
        """Forget a record."""
        await self._storage.detach(self._kind, function, qualifier)
        self._forget(function, qualifier)
        if self.gone is not None:
            await self.gone(function, qualifier)

    async def drop(self, function: str, qualifier: str | None = None) -> None:
        """The function, or one version or alias of it, is deleted: its records are too."""
        for found, _ in self.of(function):
            if qualifier in (None, found):
                await self.remove(function, found)

    def _forget(self, function: str, qualifier: str) -> None:
        records = self._records.get(function, {})
        records.pop(qualifier, None)
        if not records:
            self._records.pop(function, None)


class Attachments:
    """All kinds: how events are treated, who may invoke, which URLs there are."""

    def __init__(self, storage: Storage) -> None:
        self.event_configs = Attached(storage, "event-config")
        self.policies = Attached(storage, "policy")
        self.urls = Attached(storage, "url")

    async def drop(self, function: str, qualifier: str | None = None) -> None:
        """The function, or one version or alias of it, is deleted."""
        for attached in (self.event_configs, self.policies, self.urls):
            await attached.drop(function, qualifier)
