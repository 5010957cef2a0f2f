"""A value against its shape's constraints, with the sentences AWS uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape


def check(shape: StructureShape, values: dict[str, Any]) -> list[str]:
    """Every constraint that `values` breaks; empty when it is valid."""
    return list(_structure(shape, values, ""))


def _structure(shape: StructureShape, values: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if values.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, value in values.items():
        yield from _value(shape.members[name], value, _join(path, name))


def _value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure(shape, value, path)
    elif isinstance(shape, MapShape):
        yield from _sized(shape, len(value), value, path)
        for key, item in value.items():
            yield from _value(shape.key, key, f"{path}.{key}")
            yield from _value(shape.value, item, f"{path}.{key}.member")
    elif isinstance(shape, ListShape):
        yield from _sized(shape, len(value), value, path)
        for number, item in enumerate(value, 1):
            yield from _value(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, StringShape):
        yield from _string(shape, value, path)
    elif shape.type_name in ("integer", "long", "double", "float"):
        yield from _number(shape, value, path)


def _string(shape: StringShape, value: str, path: str) -> Iterator[str]:
    yield from _sized(shape, len(value), value, path)
    if shape.enum and value not in shape.enum:
        yield _broken(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _broken(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _number(shape: Shape, value: float, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and value < low:
        yield _broken(value, path, f"Member must have value greater than or equal to {low}")
    if high is not None and value > high:
        yield _broken(value, path, f"Member must have value less than or equal to {high}")


def _sized(shape: Shape, length: int, value: Any, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and length < low:
        yield _broken(value, path, f"Member must have length greater than or equal to {low}")
    if high is not None and length > high:
        yield _broken(value, path, f"Member must have length less than or equal to {high}")


def _broken(value: Any, path: str, constraint: str) -> str:
    shown = str(value)
    shown = shown if len(shown) <= 256 else shown[:256] + "..."
    return f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


# Java's names of Unicode categories, as what stands between the brackets of a Python pattern.
_CATEGORIES = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    for java, python in _CATEGORIES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:  # another of Java's forms: left unchecked
        return None
