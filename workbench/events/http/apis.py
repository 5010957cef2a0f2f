"""What an API is: its routes, the functions behind them, its stages and limits. Frozen, and the same for all its uses.

Quotas: API Gateway developer guide, "Quotas for configuring and running an HTTP API" and "... a REST API".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from workbench.events.http.routes import DEFAULT, Match, Routes

MAX_BODY = 10 * 2**20
"""Largest request and largest answer of an API in bytes."""

MIN_TIMEOUT_S = 0.05

_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")


class Kind(StrEnum):
    """The two kinds of API that Lambda functions stand behind."""

    HTTP = "HTTP"
    REST = "REST"

    @property
    def timeout_s(self) -> float:
        """The longest that a gateway waits for its function, and what it waits where nothing is said."""
        return 30.0 if self is Kind.HTTP else 29.0


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests a second a stage or route takes, and how many at once (the size of the token bucket).

    The default is that of an AWS account in a region.
    """

    rate: float = 10_000.0
    burst: int = 5_000


@dataclass(frozen=True, slots=True)
class Integration:
    """What answers a route: a function, in the words of a payload format ("2.0", "1.0").

    `refused` says why it answers nothing here: it asks for an authorizer, or is no Lambda proxy.
    """

    function: str
    payload: str = "2.0"
    timeout_s: float = 30.0
    streamed: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of an API; `by_route` limits routes apart, `*/*` being all that are not named."""

    name: str = DEFAULT
    variables: Mapping[str, str] = field(default_factory=dict)
    limit: Limit = Limit()
    by_route: Mapping[str, Limit] = field(default_factory=dict)

    def filled(self, integration: Integration) -> Integration:
        """The integration with this stage's variables put in where its function's name asks for them."""
        if "${stageVariables." not in integration.function:
            return integration
        name = _STAGE_VARIABLE.sub(lambda found: self.variables.get(found[1], ""), integration.function)
        return replace(integration, function=name)

    def limit_of(self, route: str) -> tuple[str, Limit]:
        """The name of the bucket that a route's requests take from, and its limit."""
        own = self.by_route.get(route)
        return (route, own) if own is not None else ("", self.limit)


@dataclass(frozen=True, slots=True)
class Api:
    """One API. `integrations` by the targets of its routes; `cors` as CreateApi has it; None: not configured."""

    id: str
    kind: Kind
    arn: str
    account: str
    routes: Routes
    integrations: Mapping[str, Integration]
    stages: Mapping[str, Stage]
    cors: Mapping[str, Any] | None = None
    binary_types: tuple[str, ...] = ()
    name: str = ""

    def stage_of(self, path: str) -> tuple[Stage, str] | None:
        """The stage that a path leads to, and what of the path is behind it; None when there is no such stage.

        A named stage is the path's first segment; what names none goes to `$default`, which only an HTTP API has.
        """
        first, _, rest = path.removeprefix("/").partition("/")
        named = self.stages.get(first)
        if named is not None and first != DEFAULT:
            return named, f"/{rest}"
        default = self.stages.get(DEFAULT)
        return None if default is None else (default, path)

    def match(self, method: str, path: str) -> Match | None:
        """The route of a request, by the path within its stage."""
        return self.routes.match(method, path) if self.kind is Kind.HTTP else self.routes.match_resource(method, path)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to an API; `target` is its encoded path, the stage's name included, with query.

    `headers` are as they came, in their order; `now_s` is seconds since the epoch.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    port: int
    request_id: str
    now_s: float
    source_ip: str = "127.0.0.1"

    @property
    def path(self) -> str:
        """The path, encoded, without the query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str:
        """The first value of a header, by its name in lower case; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass(frozen=True, slots=True)
class Routed:
    """Where a request goes: the API, its stage, the route, and the path within the stage."""

    api: Api
    stage: Stage
    match: Match
    path: str
