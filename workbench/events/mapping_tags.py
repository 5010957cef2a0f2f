"""Tags of event source mappings, beside those of functions: the same three operations of Lambda's API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from workbench.events.mapping_record import MappingRecord
from workbench.faas.operations.context import Input, Output, Table
from workbench.faas.operations.tags import check_tags

_MARK = ":event-source-mapping:"


class MappingTags:
    """Answers for the ARNs of mappings, and has `others` answer for all else.

    `find` is the mapping of a UUID, and raises AwsError when there is none; `keep` puts a changed one on disk.
    """

    def __init__(
        self, others: Table, find: Callable[[str], MappingRecord], keep: Callable[[MappingRecord], Awaitable[None]]
    ) -> None:
        self._others = dict(others)
        self._find = find
        self._keep = keep
        self.table: Table = {"ListTags": self._list, "TagResource": self._tag, "UntagResource": self._untag}

    async def _list(self, given: Input) -> Output:
        if _MARK not in given["Resource"]:
            return await self._others["ListTags"](given)
        return {"Tags": self._named(given).tags}

    async def _tag(self, given: Input) -> Output:
        if _MARK not in given["Resource"]:
            return await self._others["TagResource"](given)
        record = self._named(given)
        tags = {**record.tags, **given["Tags"]}
        check_tags(tags)
        await self._keep(replace(record, tags=tags))
        return {}

    async def _untag(self, given: Input) -> Output:
        if _MARK not in given["Resource"]:
            return await self._others["UntagResource"](given)
        record = self._named(given)
        await self._keep(replace(record, tags={k: v for k, v in record.tags.items() if k not in given["TagKeys"]}))
        return {}

    def _named(self, given: Input) -> MappingRecord:
        return self._find(given["Resource"].rpartition(":")[2])
