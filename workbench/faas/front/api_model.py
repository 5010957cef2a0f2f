"""Lambda's REST API by botocore's own model: which operation a request is, its checked input, its output.

Nothing here is a table written by hand: an operation, limit or error that AWS adds comes with a botocore upgrade.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

from workbench.faas.aws_errors import STATUS_BEYOND_MODEL, AwsError
from workbench.faas.front.constraints import check
from workbench.faas.functions.function import RUNNING

_PLACEHOLDER = re.compile(r"\{(\w+)(\+?)\}")


@dataclass(frozen=True)
class Answer:
    """An HTTP response of the API."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """An operation, the pattern of its path, and the query that tells it from another one of the same path."""

    operation: OperationModel
    pattern: re.Pattern[str]
    query: str
    specificity: tuple[int, int]


class ApiModel:
    """Routing, input and output of the Lambda API from the service model."""

    def __init__(self) -> None:
        description = Loader().load_service_model("lambda", "service-2")
        runtimes = description["shapes"]["Runtime"]["enum"]
        if RUNNING not in runtimes:  # newer than the model, or one that AWS has left behind
            runtimes.append(RUNNING)
        self._service = ServiceModel(_without_documentation(description), "lambda")
        self._routes: dict[str, list[Route]] = {}
        for name in self._service.operation_names:
            operation = self._service.operation_model(name)
            self._routes.setdefault(operation.http["method"], []).append(_route(operation))
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.specificity, reverse=True)

    def operation(self, name: str) -> OperationModel:
        """The model of one operation."""
        return self._service.operation_model(name)

    def route(self, method: str, path: str, query: str = "") -> tuple[OperationModel, dict[str, str]]:
        """The operation that `method` on the still encoded `path` is, and its path parameters."""
        for route in self._routes.get(method, ()):
            if route.query and route.query not in query.split("&"):
                continue
            match = route.pattern.fullmatch(path)
            if match:
                return route.operation, {name: unquote(value) for name, value in match.groupdict().items()}
        raise AwsError("UnknownOperationException", f"The Lambda API has no {method} {path}.")

    def header_names(self, operation: OperationModel) -> tuple[str, ...]:
        """The headers that are part of the operation's input."""
        members = operation.input_shape.members.values() if operation.input_shape is not None else ()
        return tuple(m.serialization["name"] for m in members if m.serialization.get("location") == "header")

    def parse(
        self,
        operation: OperationModel,
        path_parameters: Mapping[str, str],
        query: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """The operation's input, checked against every constraint of its shape.

        Raises AwsError SerializationException when it cannot be read, ValidationException when it breaks a constraint.
        """
        shape = operation.input_shape
        if shape is None:
            return {}
        queried = parse_qs(query, keep_blank_values=True)
        content = self._content(shape, body)
        values: dict[str, Any] = {}
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "uri":
                    raw: Any = _from_text(member, [path_parameters[key]]) if key in path_parameters else None
                case "querystring":
                    raw = _from_text(member, queried[key]) if key in queried else None
                case "header":
                    raw = _from_text(member, [headers[key]]) if key in headers else None
                case _ if name == shape.serialization.get("payload"):
                    raw = content if member.type_name == "structure" else body
                    values[name] = _decode(member, raw, name) if member.type_name == "structure" else raw
                    continue
                case _:
                    raw = content.get(key)
            if raw is not None:
                values[name] = _decode(member, raw, name)
        problems = check(shape, values)
        if problems:
            count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
            raise AwsError("ValidationException", count + "; ".join(problems))
        return values

    @staticmethod
    def _content(shape: StructureShape, body: bytes) -> dict[str, Any]:
        payload = shape.serialization.get("payload")
        if payload is not None and shape.members[payload].type_name != "structure":
            return {}
        if not body:
            return {}
        try:
            content = json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise AwsError("SerializationException", f"The request body is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise AwsError("SerializationException", "The request body is JSON, but not an object.")
        return content

    def serialise(self, operation: OperationModel, output: Mapping[str, Any], request_id: str) -> Answer:
        """The response of `operation`; fields that its shape does not have, and empty ones, are left out."""
        shape = operation.output_shape
        status = int(operation.http.get("responseCode", 200))
        headers = {"x-amzn-RequestId": request_id}
        if shape is None:
            return Answer(status, b"", headers)
        body: dict[str, Any] = {}
        for name, member in shape.members.items():
            value = output.get(name)
            if value is None:
                continue
            if member.serialization.get("location") == "header":
                headers[member.serialization["name"]] = str(value)
            else:
                body[member.serialization.get("name", name)] = _encode(member, value)
        headers["Content-Type"] = "application/json"
        return Answer(status, json.dumps(body).encode(), headers)

    def error(self, error: AwsError, request_id: str) -> Answer:
        """The response that carries `error`, its status and fields as the model has them."""
        headers = {
            "x-amzn-RequestId": request_id,
            "x-amzn-errortype": error.code,
            "Content-Type": "application/json",
        }
        shape = self._error_shape(error.code)
        body: dict[str, str] = {}
        status = error.status or STATUS_BEYOND_MODEL.get(error.code, 400)
        message_key = "message"
        if shape is not None:
            status = error.status or int(shape.metadata.get("error", {}).get("httpStatusCode", 500))
            message_key = "message" if "message" in shape.members else "Message"
            for name, member in shape.members.items():
                if name not in error.members:
                    continue
                if member.serialization.get("location") == "header":
                    headers[member.serialization["name"]] = error.members[name]
                else:
                    body[name] = error.members[name]
        body[message_key] = error.message
        return Answer(status, json.dumps(body).encode(), headers)

    @cache  # noqa: B019  # one model lives as long as the process
    def _error_shape(self, code: str) -> StructureShape | None:
        if code not in self._service.shape_names:
            return None
        shape = self._service.shape_for(code)
        return shape if isinstance(shape, StructureShape) else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _route(operation: OperationModel) -> Route:
    uri, _, query = operation.http["requestUri"].partition("?")
    pattern, position = "", 0
    for match in _PLACEHOLDER.finditer(uri):
        pattern += re.escape(uri[position : match.start()])
        pattern += f"(?P<{match[1]}>{'.+' if match[2] else '[^/]+'})"
        position = match.end()
    pattern += re.escape(uri[position:])
    literal = _PLACEHOLDER.sub("", uri)
    return Route(operation, re.compile(pattern.rstrip("/") + "/?"), query, (len(literal), len(query)))


def _without_documentation(node: Any) -> Any:
    """The model's texts are most of its size; the platform stays small without them."""
    if isinstance(node, dict):
        # A member may itself be called "documentation": its value is then no string.
        return {k: _without_documentation(v) for k, v in node.items() if k != "documentation" or not isinstance(v, str)}
    if isinstance(node, list):
        return [_without_documentation(v) for v in node]
    return node


def _from_text(shape: Shape, values: list[str]) -> Any:
    """A query parameter or header as the JSON value it stands for."""
    text = values[0]
    if isinstance(shape, ListShape):
        return [_from_text(shape.member, [value]) for value in values]
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    return text


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (int, float),
    "float": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, str),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "blob": (str,),
}


def _decode(shape: Shape, value: Any, where: str) -> Any:
    """JSON as the shape's Python value (blobs decoded, unknown members dropped as AWS does)."""
    _check_type(shape, value, where)
    if isinstance(shape, StructureShape):
        return {
            name: _decode(member, value[name], f"{where}.{name}")
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, MapShape):
        return {k: _decode(shape.value, v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(shape, ListShape):
        return [_decode(shape.member, v, f"{where}[{i}]") for i, v in enumerate(value)]
    if shape.type_name == "blob":
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise AwsError("SerializationException", f"{where} is not base64: {error}") from error
    return value


def _check_type(shape: Shape, value: object, where: str) -> None:
    allowed = _TYPES[shape.type_name]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise AwsError("SerializationException", f"{where}: {_json_type(value)} cannot be a {shape.type_name}.")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise AwsError("SerializationException", f"{where} is not valid Unicode: {error}") from error


def _encode(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {n: _encode(m, value[n]) for n, m in shape.members.items() if value.get(n) is not None}
    if isinstance(shape, ListShape):
        return [_encode(shape.member, v) for v in value]
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value


def _json_type(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
