"""What of schedules is on the platform's disk: the clock, what each fired last, and orders not yet delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from workbench.events.schedule.book import Known
from workbench.events.schedule.clock import Setting
from workbench.events.schedule.orders import Order
from workbench.faas.functions.storage import Statement, Storage


@dataclass(frozen=True, slots=True)
class Stopped:
    """How the clock of an earlier process went, and the moment before which everything was fired."""

    setting: Setting
    mark: datetime


class Memory:
    """The table `schedules` of the platform's storage; writing raises sqlite3.Error when the disk refuses."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def stopped(self) -> Stopped | None:
        """The clock of an earlier process, if there was one."""
        for record in self._records("clock").values():
            found = json.loads(record)
            until = datetime.fromisoformat(found["until"]) if found["until"] else None
            setting = Setting(found["simulated"], found["speed"], found["paused"], until)
            return Stopped(setting, datetime.fromisoformat(found["mark"]))
        return None

    def known(self) -> dict[str, Known]:
        """What was remembered of each schedule."""
        return {key: Known.from_json(json.loads(record)) for key, record in self._records("known").items()}

    def orders(self) -> dict[str, Order]:
        """What was not yet delivered."""
        return {key: Order(**json.loads(record)) for key, record in self._records("order").items()}

    async def write(self, statements: Iterable[Statement]) -> None:
        """Carry out all or none; on disk when this returns."""
        wanted = list(statements)
        if wanted:
            await self._storage.write(wanted)

    def _records(self, kind: str) -> Mapping[str, str]:
        rows = self._storage.rows("SELECT kind, key, record FROM schedules ORDER BY rowid")
        return {key: record for found, key, record in rows if found == kind}


def keep_clock(setting: Setting, mark: datetime) -> Statement:
    """For `write`: how the clock goes, and where firing has come to."""
    until = setting.until.isoformat() if setting.until else None
    return _keep("clock", "", {**asdict(setting), "until": until, "mark": mark.isoformat()})


def keep_known(key: str, known: Known) -> Statement:
    """For `write`: what is remembered of a schedule."""
    return _keep("known", key, known.to_json())


def keep_order(key: str, order: Order) -> Statement:
    """For `write`: an order that is to be delivered."""
    return _keep("order", key, asdict(order))


def drop(kind: str, key: str) -> Statement:
    """For `write`: forget one ("known" or "order")."""
    return "DELETE FROM schedules WHERE kind = ? AND key = ?", (kind, key)


def drop_all_known() -> Statement:
    """For `write`: another line of the clock begins."""
    return "DELETE FROM schedules WHERE kind = 'known'", ()


def _keep(kind: str, key: str, record: object) -> Statement:
    return "INSERT OR REPLACE INTO schedules VALUES (?, ?, ?)", (kind, key, json.dumps(record))
