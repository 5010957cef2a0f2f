"""The instances of one deployment as a gateway's backend: any that takes direct invocations by HTTP.

The serverless platform, a container's or a process's HTTP server: all take `POST .../invocations` with the event, and
answer with what the handler returned. Of several the one with the fewest requests under way is next.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from workbench.deployment import Credentials
from workbench.events.http.apis import Integration
from workbench.events.http.backend import NotRun, Returned, Streaming
from workbench.events.http.refusals import Refusal
from workbench.events.http.streamed import of_host, of_platform
from workbench.faas.credentials import Key
from workbench.faas.sigv4 import signed_headers

_TOLD = ("X-Workbench-Instance", "X-Workbench-Cold")
_STREAMING = re.compile(r"/2015-03-31(/functions/[^/]+/)invocations$")
_KEPT_S = 60  # shorter than the other side keeps a connection that is idle


@dataclass(eq=False, slots=True)
class _Place:
    url: str
    parsed: URL
    outstanding: int = 0


class Upstream:
    """A gateway's backend. `limit_s` is the service's own time limit, which hosts but the platform leave to us."""

    def __init__(self, urls: Sequence[str], credentials: Credentials | None, limit_s: float) -> None:
        self._credentials = credentials
        self._limit_s = limit_s if credentials is None else None
        self._places: list[_Place] = []
        self._turn = 0
        self._signed: tuple[int, str, dict[str, str]] = (0, "", {})
        self._session: aiohttp.ClientSession | None = None
        self.replace(urls)

    def replace(self, urls: Sequence[str]) -> None:
        """Send to these from now on; one that stays keeps its count of requests under way."""
        known = {place.url: place for place in self._places}
        self._places = [known.get(url) or _Place(url, URL(url, encoded=True)) for url in urls]

    async def invoke(self, integration: Integration, event: bytes, request_id: str) -> Returned | Streaming:
        """Call the handler with the event; see `Backend`."""
        tried: set[_Place] = set()
        while (place := self._choose(tried)) is not None:
            tried.add(place)
            try:
                return await (self._stream if integration.streamed else self._send)(place, event)
            except aiohttp.ClientConnectorError:
                continue  # nothing was sent: another instance may have it
            except (aiohttp.ClientError, ConnectionError) as error:
                raise NotRun(Refusal.FAILED, f"an instance ended before it answered ({error})") from error
        raise NotRun(Refusal.MISCONFIGURED, "no instance of the service can be reached; is the deployment open?")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _choose(self, tried: set[_Place]) -> _Place | None:
        left = [place for place in self._places if place not in tried]
        if not left:
            return None
        self._turn += 1
        first = self._turn % len(left)
        return min(left[first:] + left[:first], key=lambda place: place.outstanding)

    async def _send(self, place: _Place, event: bytes) -> Returned:
        place.outstanding += 1
        try:
            async with asyncio.timeout(self._limit_s):
                request = self._client().post(place.parsed, data=event, headers=self._headers(place.url))
                async with request as response:
                    return _read(response, await response.read())
        except TimeoutError:
            if self._limit_s is None:
                raise
            return Returned(b"", f"Task timed out after {self._limit_s:.2f} seconds")
        finally:
            place.outstanding -= 1

    async def _stream(self, place: _Place, event: bytes) -> Returned | Streaming:
        """As `_send`, but for an answer that is passed on as it comes; the time limit is for its beginning."""
        url = (
            _STREAMING.sub(r"/2021-11-15\1response-streaming-invocations", place.url)
            if self._credentials
            else place.url
        )
        place.outstanding += 1
        response: aiohttp.ClientResponse | None = None
        begun = False

        def done() -> None:
            place.outstanding -= 1

        try:
            async with asyncio.timeout(self._limit_s):
                headers = self._headers(url)
                response = await self._client().post(URL(url, encoded=True), data=event, headers=headers)
                if self._credentials is not None and response.status == 200:
                    begun = True
                    return await of_platform(response, done)
                streaming = None if self._credentials is not None else of_host(response, done)
                begun = streaming is not None
                return streaming or _read(response, await response.read())
        except TimeoutError:
            if self._limit_s is None:
                raise
            return Returned(b"", f"Task timed out after {self._limit_s:.2f} seconds")
        finally:
            if not begun:
                done()
                if response is not None:
                    response.release()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:  # it must be made on the loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_S),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            )
        return self._session

    def _headers(self, url: str) -> dict[str, str]:
        """Signed where it must be; one signature serves a second, as it does not cover the body."""
        if self._credentials is None:
            return {"Content-Type": "application/json"}
        second, known, headers = self._signed
        now = time.time()
        if (int(now), url) != (second, known):
            who = self._credentials
            key = Key(who.access_key_id, who.secret_access_key)
            headers = {"Content-Type": "application/json", **signed_headers("POST", url, key, who.region, now)}
            self._signed = int(now), url, headers
        return headers


def _read(response: Any, content: bytes) -> Returned:
    headers = [(name, response.headers[name]) for name in _TOLD if name in response.headers]
    instance = response.headers.get("X-Workbench-Instance", "")
    if response.status == 200:
        return Returned(content, response.headers.get("X-Amz-Function-Error", ""), instance, headers)
    said = content[:300].decode("utf-8", "replace")
    why = Refusal.FUNCTION_THROTTLED if response.status == 429 else Refusal.MISCONFIGURED
    raise NotRun(why, f"the deployment answered {response.status}: {said}")
