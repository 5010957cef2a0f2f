"""The configurations of function URLs; `workbench.faas.urls.function_urls` serves them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from workbench.faas.aws_errors import AwsError
from workbench.faas.functions.attachments import Record
from workbench.faas.functions.names import Named, parse
from workbench.faas.operations.context import Context, Input, Output, Table
from workbench.faas.operations.paging import page

_SETTINGS = ("AuthType", "Cors", "InvokeMode")


class FunctionUrlOperations:
    """Create, Update, Get, List and DeleteFunctionUrlConfig."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._urls = context.attachments.urls
        self.table: Table = {
            "CreateFunctionUrlConfig": self._create,
            "DeleteFunctionUrlConfig": self._delete,
            "GetFunctionUrlConfig": self._get,
            "ListFunctionUrlConfigs": self._list,
            "UpdateFunctionUrlConfig": self._update,
        }

    async def _create(self, given: Input) -> Output:
        async with self._context.changing:
            named = self._named(given)
            assert self._context.open_url is not None, "requests come after the platform is put together"
            if self._urls.get(named.name, named.qualifier or "") is not None:
                raise AwsError(
                    "ResourceConflictException",
                    f"Failed to create function url config for [functionArn = {named.arn(self._context.region)}]. "
                    "Error message:  FunctionUrlConfig exists for this Lambda function",
                    Type="User",
                )
            now = _now()
            record: Record = {
                "InvokeMode": "BUFFERED",
                **{key: given[key] for key in _SETTINGS if key in given},
                "CreationTime": now,
                "LastModifiedTime": now,
                "id": secrets.token_hex(16),
                "port": await self._context.open_url(named.name, named.qualifier or ""),
            }
            await self._urls.put(named.name, named.qualifier or "", record)
        return self._shown(named, record)

    async def _update(self, given: Input) -> Output:
        async with self._context.changing:
            named, record = self._kept(given)
            changes = {key: given[key] for key in _SETTINGS if key in given}
            changed = {**record, **changes, "LastModifiedTime": _now()}
            await self._urls.put(named.name, named.qualifier or "", changed)
        return self._shown(named, changed)

    async def _get(self, given: Input) -> Output:
        return self._shown(*self._kept(given))

    async def _delete(self, given: Input) -> Output:
        async with self._context.changing:
            named, _ = self._kept(given)
            await self._urls.remove(named.name, named.qualifier or "")
        return {}

    async def _list(self, given: Input) -> Output:
        name = self._context.unqualified(given["FunctionName"]).name
        records, marker = page(self._urls.of(name), lambda entry: entry[0], given)
        shown = [self._shown(Named(name, qualifier or None), record) for qualifier, record in records]
        return {"FunctionUrlConfigs": shown, "NextMarker": marker}

    def _named(self, given: Input) -> Named:
        named = parse(given["FunctionName"], self._context.region, given.get("Qualifier"))
        self._context.of(named)
        return named

    def _kept(self, given: Input) -> tuple[Named, Record]:
        named = self._named(given)
        record = self._urls.get(named.name, named.qualifier or "")
        if record is None:
            raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.", Type="User")
        return named, record

    def _shown(self, named: Named, record: Record) -> Output:
        return {
            **record,
            "FunctionUrl": f"http://127.0.0.1:{record['port']}/",
            "FunctionArn": named.arn(self._context.region),
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
