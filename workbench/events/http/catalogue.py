"""The APIs made at the AWS endpoint, as they are now: read when they are asked for, and kept for half a second.

As an API is read, so it is served: what CreateDeployment would keep for a stage is not kept apart here.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from typing import Any

from botocore.exceptions import ClientError

from workbench.events.http.apis import Api
from workbench.events.http.definitions import http_api, rest_api
from workbench.faas.asynchronous.aws_client import AwsClients

FRESH_S = 0.5
_RENEW_S = 0.3  # under load it is read again beside the requests, so that none waits for it
_REMEMBERED = 200
_ID = re.compile(r"[a-z0-9]{1,32}")
_MISSING = ("NotFoundException", "NotFound", "404")


class Catalogue:
    """APIs by their ids."""

    def __init__(self, aws: AwsClients, region: str) -> None:
        self._aws = aws
        self._region = region
        self._known: OrderedDict[str, tuple[float, Api | None]] = OrderedDict()
        self._reading: dict[str, asyncio.Task[Api | None]] = {}

    async def find(self, api_id: str) -> Api | None:
        """The API of that id, None when there is none. Raises as `AwsClients.call` does."""
        if not _ID.fullmatch(api_id):
            return None
        read_s, api = self._known.get(api_id, (float("-inf"), None))
        age = time.monotonic() - read_s
        if age > _RENEW_S:
            reading = self._read(api_id)
            if age > FRESH_S:
                return await asyncio.shield(reading)
        return api

    async def all(self) -> list[dict[str, str]]:
        """Id, kind and name of each API."""
        http = await self._pages("apigatewayv2", "get_apis", "Items", "NextToken")
        rest = await self._pages("apigateway", "get_rest_apis", "items", "position")
        found = [{"id": a["ApiId"], "kind": "HTTP", "name": a["Name"]} for a in http if a["ProtocolType"] == "HTTP"]
        return found + [{"id": a["id"], "kind": "REST", "name": a["name"]} for a in rest]

    def close(self) -> None:
        """Read nothing more."""
        for task in self._reading.values():
            task.cancel()

    def _read(self, api_id: str) -> asyncio.Task[Api | None]:
        task = self._reading.get(api_id)
        if task is None:
            task = self._reading[api_id] = asyncio.ensure_future(self._read_now(api_id))
            task.add_done_callback(lambda done: self._keep(api_id, done))
        return task

    def _keep(self, api_id: str, done: asyncio.Task[Api | None]) -> None:
        del self._reading[api_id]
        if done.cancelled() or done.exception() is not None:  # who waits for it is told
            return
        self._known[api_id] = time.monotonic(), done.result()
        self._known.move_to_end(api_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _read_now(self, api_id: str) -> Api | None:
        try:
            return await self._http(api_id) or await self._rest(api_id)
        except ClientError as error:  # it was deleted while it was read
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    async def _http(self, api_id: str) -> Api | None:
        api = await self._one("apigatewayv2", "get_api", ApiId=api_id)
        if api is None or api.get("ProtocolType") != "HTTP":
            return None
        parts = [
            self._pages("apigatewayv2", operation, "Items", "NextToken", ApiId=api_id)
            for operation in ("get_routes", "get_integrations", "get_stages")
        ]
        routes, integrations, stages = await asyncio.gather(*parts)
        return http_api(api, routes, integrations, stages, self._region)

    async def _rest(self, api_id: str) -> Api | None:
        api = await self._one("apigateway", "get_rest_api", restApiId=api_id)
        if api is None:
            return None
        resources, stages = await asyncio.gather(
            self._pages("apigateway", "get_resources", "items", "position", restApiId=api_id, embed=["methods"]),
            self._aws.call("apigateway", "get_stages", restApiId=api_id),
        )
        return rest_api(api, resources, stages.get("item") or (), self._region)

    async def _one(self, service: str, operation: str, **parameters: Any) -> dict[str, Any] | None:
        try:
            return await self._aws.call(service, operation, **parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    async def _pages(
        self, service: str, operation: str, items: str, token: str, **parameters: Any
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            answer = await self._aws.call(service, operation, **parameters, **more)
            found += answer.get(items) or []
            if not answer.get(token):
                return found
            more = {token: answer[token]}
