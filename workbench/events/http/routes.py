"""Which route of an API a request takes: pure, a table of `METHOD /path/{variable}/{rest+}`.

After the API Gateway developer guide, "Create routes for HTTP APIs": a full match comes before one by a greedy
variable, that before `$default`; and of two that match equally well the one that names the method before `ANY`. A REST
API finds the resource by its path alone, and then the resource has the method or it has not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from workbench.errors import DeploymentError

DEFAULT = "$default"
ANY = "ANY"

_METHOD = re.compile(r"[A-Z]+")
_VARIABLE = re.compile(r"\{([A-Za-z0-9._:-]+)(\+?)\}")
_LITERAL, _OPEN, _GREEDY = range(3)

Rank = tuple[bool, tuple[int, ...], bool]


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `target` names what answers it (an integration), `id` is the resource's, of a REST API."""

    key: str
    target: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The route of a request, and the values of its path's variables, decoded."""

    route: Route
    parameters: Mapping[str, str]

    @property
    def resource(self) -> str:
        """The path of the route as it is written; empty for `$default`."""
        return self.route.key.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class _Entry:
    route: Route
    method: str
    kinds: tuple[int, ...]
    names: tuple[str, ...]

    @property
    def rank(self) -> Rank:
        """The lower, the more specific."""
        return _GREEDY in self.kinds, self.kinds, self.method == ANY

    @property
    def shape(self) -> tuple[str, tuple[str, ...]]:
        """What makes it another route than others: the names of variables do not."""
        pairs = zip(self.kinds, self.names, strict=True)
        return self.method, tuple(name if kind == _LITERAL else f"{{{kind}}}" for kind, name in pairs)

    def takes(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The variables of a path that this is the route of; None when it is not."""
        greedy = bool(self.kinds) and self.kinds[-1] == _GREEDY
        count = len(self.kinds)
        if len(segments) < count or (len(segments) > count and not greedy):
            return None
        found = {}
        for position, (kind, name) in enumerate(zip(self.kinds, self.names, strict=True)):
            value = "/".join(segments[position:]) if kind == _GREEDY else segments[position]
            value = unquote(value)
            if kind == _LITERAL:
                if value != name:
                    return None
            elif not value:
                return None
            else:
                found[name] = value
        return found


class Routes:
    """All routes of one API. Raises DeploymentError for a route that is none, or is there twice."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._default: Route | None = None
        self._entries: list[_Entry] = []
        for route in routes:
            if route.key == DEFAULT:
                self._default = route
            else:
                self._entries.append(_entry(route))
        self._entries.sort(key=lambda entry: entry.rank)
        known: dict[tuple[str, tuple[str, ...]], str] = {}
        for entry in self._entries:
            if entry.shape in known:
                other = known[entry.shape]
                raise DeploymentError(f"{other!r} and {entry.route.key!r} are the same route twice; leave one out.")
            known[entry.shape] = entry.route.key

    def __len__(self) -> int:
        return len(self._entries) + (self._default is not None)

    @property
    def keys(self) -> tuple[str, ...]:
        """All routes as they are written, the most specific first."""
        return tuple(e.route.key for e in self._entries) + ((DEFAULT,) if self._default else ())

    def match(self, method: str, path: str) -> Match | None:
        """The route of an HTTP API's request; `path` is still encoded and begins with a slash. None: there is none."""
        segments = _segments(path)
        for entry in self._entries:
            if entry.method in (method, ANY):
                found = entry.takes(segments)
                if found is not None:
                    return Match(entry.route, found)
        return None if self._default is None else Match(self._default, {})

    def match_resource(self, method: str, path: str) -> Match | None:
        """The method of a REST API's resource that a request goes to; a slash at the end of its path does not count."""
        segments = _segments(path.rstrip("/") or "/")
        best: tuple[int, ...] | None = None
        for entry in self._entries:
            if best is not None and entry.kinds != best:
                continue
            found = entry.takes(segments)
            if found is None:
                continue
            if entry.method in (method, ANY):
                return Match(entry.route, found)
            best = entry.kinds
        return None


def _segments(path: str) -> tuple[str, ...]:
    inner = path.removeprefix("/")
    return tuple(inner.split("/")) if inner else ()


def _entry(route: Route) -> _Entry:
    method, _, path = route.key.partition(" ")
    if not _METHOD.fullmatch(method) or not path.startswith("/"):
        raise DeploymentError(
            f"{route.key!r} is no route. Write a method and a path, such as 'GET /prices/{{sku}}' or "
            f"'ANY /{{proxy+}}', or {DEFAULT!r}."
        )
    kinds, names = [], []
    for segment in _segments(path):
        variable = _VARIABLE.fullmatch(segment)
        if variable is None and ("{" in segment or "}" in segment or not segment):
            raise DeploymentError(f"{route.key!r} is no route: {segment!r} is neither a text nor {{a-variable}}.")
        kinds.append(_LITERAL if variable is None else _GREEDY if variable[2] else _OPEN)
        names.append(segment if variable is None else variable[1])
    variables = [name for kind, name in zip(kinds, names, strict=True) if kind != _LITERAL]
    if len(set(variables)) < len(variables):
        raise DeploymentError(f"{route.key!r} is no route: two of its variables have the same name.")
    if _GREEDY in kinds[:-1]:
        raise DeploymentError(
            f"{route.key!r} is no route: a variable with + takes all that follows, so it stands last."
        )
    return _Entry(route, method, tuple(kinds), tuple(names))
