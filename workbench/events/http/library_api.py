"""The API that `wb.gateway` stands for: all its routes lead to one service. Said in plain values, so that a process can
be told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.errors import DeploymentError
from workbench.events.http import payload_v1, payload_v2
from workbench.events.http.apis import MIN_TIMEOUT_S, Api, Call, Integration, Kind, Limit, Routed, Stage
from workbench.events.http.routes import DEFAULT, Route, Routes
from workbench.faas.functions.function import ACCOUNT

_ID = "workbench"
_KINDS = {"2.0": Kind.HTTP, "1.0": Kind.REST}


@dataclass(frozen=True)
class LibraryApi:
    """What `wb.gateway` was asked for; None and empty: what AWS has as the default."""

    version: str = "2.0"
    routes: Sequence[str] = ()
    stage: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    cors: dict[str, Any] | None = None
    rate: float | None = None
    burst: int | None = None
    timeout_s: float | None = None
    binary_types: Sequence[str] = ()
    stream: bool = False

    def api(self) -> Api:
        """As the gateway takes it; raises DeploymentError where AWS would refuse it."""
        kind = _KINDS.get(self.version)
        if kind is None:
            raise DeploymentError(
                f'There is no payload format {self.version!r}. Take "2.0" (an HTTP API) or "1.0" (a REST API).'
            )
        if isinstance(self.routes, str):
            raise DeploymentError(f"routes is a list: write routes=[{self.routes!r}].")
        if kind is Kind.REST and (DEFAULT in self.routes or self.stage == DEFAULT):
            raise DeploymentError(f"A REST API has no {DEFAULT}. Write the routes 'ANY /' and 'ANY /{{proxy+}}'.")
        if kind is Kind.REST and self.cors is not None:
            raise DeploymentError("A REST API leaves CORS to its functions: have a route for OPTIONS. Leave cors out.")
        if kind is Kind.HTTP and self.stream:
            raise DeploymentError(
                'An HTTP API sends an answer when it is whole. Take version="1.0", or leave stream out.'
            )
        stage = Stage(self.stage_name(kind), dict(self.variables), self._limit())
        routes = self.routes or ([DEFAULT] if kind is Kind.HTTP else ["ANY /", "ANY /{proxy+}"])
        integration = Integration("", self.version, self._timeout_s(kind), self.stream)
        return Api(
            _ID,
            kind,
            f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{_ID}",
            ACCOUNT,
            Routes(Route(key, id=str(number)) for number, key in enumerate(routes)),
            {"": integration},
            {stage.name: stage},
            self.cors,
            tuple(self.binary_types),
            _ID,
        )

    def stage_name(self, kind: Kind) -> str:
        """`$default`; a REST API has none such and is deployed to `prod`."""
        return self.stage or (DEFAULT if kind is Kind.HTTP else "prod")

    def event(
        self, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes, port: int
    ) -> dict[str, Any]:
        """The event that a request becomes; raises DeploymentError when no route takes it."""
        api, call = self.api(), Call(method, target, headers, body, port, str(uuid.uuid4()), time.time())
        place = api.stage_of(call.path)
        match = place and api.match(method, place[1])
        if place is None or match is None:
            raise DeploymentError(f"No route takes {method} {target}; there are {', '.join(api.routes.keys)}.")
        make = payload_v2.event if self.version == "2.0" else payload_v1.event
        return make(call, Routed(api, place[0], match, place[1]))

    def as_json(self) -> dict[str, Any]:
        """Its fields, to be said in JSON."""
        return asdict(self)

    def _limit(self) -> Limit:
        default = Limit()
        rate = default.rate if self.rate is None else self.rate
        burst = default.burst if self.burst is None else self.burst
        if rate < 0 or burst < 0:
            raise DeploymentError(f"A rate of {rate:g} and a burst of {burst} cannot be; 0 lets nothing pass.")
        return Limit(rate, burst)

    def _timeout_s(self, kind: Kind) -> float:
        wanted = kind.timeout_s if self.timeout_s is None else self.timeout_s
        if not MIN_TIMEOUT_S <= wanted <= kind.timeout_s:
            raise DeploymentError(
                f"A gateway cannot wait {wanted:g} s for a function; choose from {MIN_TIMEOUT_S:g} to "
                f"{kind.timeout_s:g} s (payload format {self.version})."
            )
        return wanted
