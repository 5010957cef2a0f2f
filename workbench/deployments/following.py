"""A request of the platform whose answer goes on: a line of JSON for each thing that happens."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import DeploymentError


class Following:
    """The answer, from its beginning on; iterate over it in a thread of its own, and close it from any other."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Send GET `url` with these signed headers; raises DeploymentError when it is refused."""
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            self._connection.request("GET", f"{place.path}?{place.query}", headers=dict(headers))
            self._socket: socket.socket = self._connection.sock
            self._socket.settimeout(None)  # nothing may happen for long
            self._answer = self._connection.getresponse()
            if self._answer.status >= 400:
                raise DeploymentError(f"The serverless platform refused GET {place.path}: {self._answer.read(500)!r}")
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise DeploymentError(f"The serverless platform does not answer GET {place.path} ({error}).") from error
        except BaseException:
            self._connection.close()
            raise

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each line that says something, until it is closed or the platform ends."""
        with contextlib.suppress(
            OSError, ValueError, AttributeError, http.client.HTTPException
        ):  # the end, as seen here
            while line := self._answer.readline():
                told = json.loads(line)
                if told:  # {} says that it is still there
                    yield told

    def close(self) -> None:
        """End it: the iteration is over as soon as the line before it is used."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
