"""API Gateway beside the platform: APIs made with ordinary boto3 calls at the AWS endpoint, served on a loopback port.

`http://127.0.0.1:PORT/API_ID` stands for AWS's `https://API_ID.execute-api.REGION.amazonaws.com`; the path behind it is
the same. Below `/_workbench/`, signed:

    GET gateway    {"url": "http://127.0.0.1:PORT", "apis": [{"id", "kind", "name", "url"}]}

A function's resource policy is not asked whether the API may call it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from workbench.events.flow import Flow, What
from workbench.events.http.apis import MAX_BODY, Kind, Routed
from workbench.events.http.catalogue import Catalogue
from workbench.events.http.functions import Functions
from workbench.events.http.handling import Gateway, Located
from workbench.faas.companion import Host
from workbench.faas.front.api_model import Answer
from workbench.faas.front.http_front import Front, Streamed
from workbench.faas.operations.context import Table

HOST = "127.0.0.1"
_CONNECTIONS = 1024


class ApiGateway:
    """All APIs of one platform; a companion of it."""

    operations: Table = {}  # noqa: RUF012 -- none: it has no word in Lambda's API

    def __init__(self, host: Host, flow: Flow) -> None:
        self._catalogue = Catalogue(host.context.aws, host.context.region)
        self._gateway = Gateway(self._locate, Functions(host), _Telling(flow), default=Kind.HTTP)
        self._front = Front(self._gateway, MAX_BODY, _CONNECTIONS)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._gateway.port}"

    async def _locate(self, target: str) -> Located | None:
        path, mark, query = target.partition("?")
        api_id, _, rest = path.removeprefix("/").partition("/")
        api = await self._catalogue.find(api_id)
        return None if api is None else Located(api, f"/{rest}{mark}{query}")

    async def answer(self, method: str, path: Sequence[str], query: str, body: bytes) -> Answer | Streamed | None:
        """See the module."""
        if (method, list(path)) != ("GET", ["gateway"]):
            return None
        apis = [{**api, "url": f"{self.url}/{api['id']}"} for api in await self._catalogue.all()]
        text = json.dumps({"url": self.url, "apis": apis})
        return Answer(200, text.encode(), {"Content-Type": "application/json; charset=utf-8"})

    async def resume(self) -> None:
        """Listen."""
        self._gateway.port = await self._front.listen(HOST, 0)

    async def stop(self) -> None:
        """Take no new connections; what is under way goes on."""
        self._front.stop_listening()

    async def close(self) -> None:
        """End everything."""
        await self._front.close()
        self._catalogue.close()


class _Telling:
    """Tells the flow of each request; its id is the event's."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def received(self, routed: Routed, function: str, request_id: str) -> None:
        """It is for a function, which is called now."""
        where = routed.match.route.key
        self._flow.tell(What.RECEIVED, routed.api.arn, function, [request_id], request=request_id, detail=where)
        self._flow.tell(What.INVOKED, routed.api.arn, function, [request_id], request=request_id)

    def ended(self, routed: Routed, function: str, request_id: str, instance: str, failure: str) -> None:
        """It is answered, by the function or in its place."""
        what = What.FAILED if failure else What.ANSWERED
        self._flow.tell(
            what, routed.api.arn, function, [request_id], request=request_id, instance=instance, detail=failure
        )
