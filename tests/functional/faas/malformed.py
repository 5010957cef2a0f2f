"""Requests that are almost right, made from botocore's model: any part of any operation may be wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

_TEXTS = (
    "",
    "x",
    "a" * 300,
    "a" * 11_000,
    "../..",
    "a/b",
    "a b",
    "é\u2028\U0001f600",
    "\0",
    "%00",
    "$LATEST",
    "-1",
    "{}",
)
_NUMBERS = (-1, 0, 1, 2, 50, 2**31, 2**63, 10**30, 1.5, -0.0, 1e308)
_OTHERS = (None, True, "text", 7, 1.5, [], {}, [[]], {"a": {"b": []}})
_BODIES = (
    b"",
    b"{",
    b"[]",
    b'"x"',
    b"null",
    b"NaN",
    b'{"a":Infinity}',
    b"\xff\xfe",
    b"[" * 50_000,
    b'{"a":1}{"a":2}',
    b"9" * 5_000,
)
_TAILS = (
    "/",
    "//",
    "/extra",
    "%2f",
    "%zz",
    "?",
    "?&&=&",
    "?MaxItems=x&Marker=%ff",
    "?List=ALL&List=ALL",
    "?find=LayerVersion",
)


@dataclass(frozen=True)
class Request:
    """What goes over the wire, still to be signed."""

    operation: str
    method: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Maker:
    """Makes requests from a seed; `known` are values by member name that lead to what is there."""

    def __init__(self, seed: int, known: dict[str, Sequence[str]]) -> None:
        self._random = random.Random(seed)
        self._known = known
        self._service = ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")

    def requests(self, count: int) -> Iterator[Request]:
        """So many requests, every operation in its turn."""
        names = self._service.operation_names
        for number in range(count):
            yield self._request(self._service.operation_model(names[number % len(names)]))

    def _request(self, operation: OperationModel) -> Request:
        draw = self._random
        shape = operation.input_shape
        members = dict(shape.members) if shape is not None else {}
        path, content, query, headers = str(operation.http["requestUri"]), {}, [], {}
        body: bytes | None = None
        for name, member in members.items():
            required = shape is not None and name in shape.required_members
            where = member.serialization.get("location")
            if draw.random() > (0.95 if required else 0.4) and where != "uri":
                continue
            value = self._value(name, member)
            key = member.serialization.get("name", name)
            if where == "uri":
                for form in (f"{{{key}}}", f"{{{key}+}}"):
                    path = path.replace(form, quote(_text(value), safe=""))
            elif where == "querystring":
                query += [
                    f"{quote(key)}={quote(_text(one))}" for one in (value if isinstance(value, list) else [value])
                ]
            elif where == "header":
                headers[key] = _header(value)
            elif shape is not None and name == shape.serialization.get("payload"):
                body = json.dumps(value).encode() if isinstance(member, StructureShape) else _text(value).encode()
            else:
                content[key] = value
        if query:
            path += ("&" if "?" in path else "?") + "&".join(query)
        if draw.random() < 0.08:
            path += draw.choice(_TAILS)
        if body is None:
            body = json.dumps(content).encode() if content else b""
        if draw.random() < 0.08:
            body = draw.choice(_BODIES)
        elif draw.random() < 0.04:
            body = body[: draw.randrange(len(body) + 1)]
        method = draw.choice(("GET", "PUT", "POST", "DELETE")) if draw.random() < 0.03 else operation.http["method"]
        return Request(operation.name, str(method), path or "/", b"" if method == "GET" else body, headers)

    def _value(self, name: str, shape: Shape, depth: int = 0) -> Any:
        draw = self._random
        chance = draw.random()
        if name in self._known and chance < 0.7:
            return draw.choice(self._known[name])
        if chance < 0.08:
            return draw.choice(_OTHERS)
        if isinstance(shape, StructureShape):
            return {
                key: self._value(key, member, depth + 1)
                for key, member in shape.members.items()
                if draw.random() < (0.9 if key in shape.required_members else 0.5) and depth < 6
            }
        if isinstance(shape, MapShape):
            return {
                str(self._value("", shape.key)): self._value("", shape.value, depth + 1)
                for _ in range(draw.choice((0, 1, 2, 60)))
            }
        if isinstance(shape, ListShape):
            return [self._value("", shape.member, depth + 1) for _ in range(draw.choice((0, 1, 2, 12)))]
        if shape.type_name == "boolean":
            return draw.choice((True, False, "true"))
        if shape.type_name in ("integer", "long", "double", "float", "timestamp"):
            return draw.choice(_NUMBERS)
        enum = getattr(shape, "enum", [])
        return draw.choice(enum) if enum and draw.random() < 0.7 else draw.choice(_TEXTS)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _header(value: Any) -> str:
    """What HTTP lets a header hold; anything else would fail in the client."""
    return "".join(c for c in _text(value)[:4000] if " " <= c <= "~").strip()
