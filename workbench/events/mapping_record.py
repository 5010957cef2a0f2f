"""One event source mapping as it is kept on disk, and as the API shows it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.events import mapping_settings
from workbench.events.mapping import Mapping
from workbench.faas.functions.storage import Statement, Storage


@dataclass(frozen=True, slots=True)
class MappingRecord:
    """What somebody asked for; `function` is an ARN, with its qualifier if one was named."""

    uuid: str
    source: str
    function: str
    settings: dict[str, Any]
    enabled: bool = True
    modified_s: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """For the storage."""
        return json.dumps(asdict(self))

    def mapping(self) -> Mapping:
        """What a poller goes by."""
        return mapping_settings.mapping(self.uuid, self.source, self.function, self.settings)

    def arn(self) -> str:
        """The mapping's own ARN."""
        place = ":".join(self.function.split(":")[:5])
        return f"{place}:event-source-mapping:{self.uuid}"

    def shown(self, state: str, last_result: str) -> dict[str, Any]:
        """As the API answers it ("EventSourceMappingConfiguration"); AWS words the reason by the kind of source."""
        queue = mapping_settings.service_of(self.source) == "sqs"
        return {
            **self.settings,
            "UUID": self.uuid,
            "EventSourceMappingArn": self.arn(),
            "EventSourceArn": self.source,
            "FunctionArn": self.function,
            "LastModified": self.modified_s,
            "LastProcessingResult": last_result,
            "State": state,
            "StateTransitionReason": "USER_INITIATED" if queue else "User action",
        }

    def keep(self) -> Statement:
        """For `Storage.write`: have it on disk."""
        return "INSERT OR REPLACE INTO event_source_mappings VALUES (?, ?)", (self.uuid, self.to_json())

    def drop(self) -> Statement:
        """For `Storage.write`: forget it."""
        return "DELETE FROM event_source_mappings WHERE uuid = ?", (self.uuid,)


def kept(storage: Storage) -> Iterable[MappingRecord]:
    """All that an earlier platform left."""
    for (text,) in storage.rows("SELECT record FROM event_source_mappings ORDER BY uuid"):
        yield MappingRecord(**json.loads(text))
