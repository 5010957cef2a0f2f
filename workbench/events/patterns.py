"""The pattern language of events: which JSON a pattern matches, and whether a pattern is one at all.

As in the Amazon EventBridge user guide, "Comparison operators for use in event patterns". Fields of an object are
joined by "and", the rules in an array by "or", `$or` joins whole patterns. A field that is an array matches when one of
its elements does. Numbers are equal when they are written alike: 300 is not 300.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_ABSENT = object()
_DEEPEST = 100


def matches(pattern: Mapping[str, Any], value: object) -> bool:
    """Whether `value`, as JSON has it, is what a checked pattern describes.

    An object that is not there has fields that are not there, so `{"exists": false}` holds below it.
    """
    if isinstance(value, list):
        objects = [element for element in value if isinstance(element, dict)]
        return any(matches(pattern, element) for element in objects or [{}])
    fields = value if isinstance(value, dict) else {}
    return all(_field(name, rules, fields) for name, rules in pattern.items())


def _field(name: str, rules: Any, fields: Mapping[str, Any]) -> bool:
    if _is_or(name, rules):
        return any(matches(alternative, fields) for alternative in rules)
    value = fields.get(name, _ABSENT)
    if isinstance(rules, dict):
        return matches(rules, value)
    leaves = _leaves(value)
    return any(_rule(rule, leaves) for rule in rules)


def _leaves(value: object) -> Sequence[object]:
    leaves, open_ = [], [value]
    while open_:  # not by recursion: a message's arrays may be nested deeper than Python's stack
        found = open_.pop()
        if isinstance(found, list):
            open_ += found
        elif found is not _ABSENT and not isinstance(found, dict):
            leaves.append(found)
    return leaves


def _rule(rule: object, leaves: Sequence[object]) -> bool:
    if not isinstance(rule, dict):
        return any(_same(rule, leaf) for leaf in leaves)
    ((operator, operand),) = rule.items()
    if operator == "exists":
        return bool(leaves) is operand
    holds = _OPERATORS[operator][1]
    return any(holds(operand, leaf) for leaf in leaves)


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


# ---- operators: what their operand may be, and what they hold of -----------------------------------------------------


def _numeric(operand: Sequence[Any], leaf: object) -> bool:
    if isinstance(leaf, bool) or not isinstance(leaf, int | float):
        return False
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return all(_COMPARED[sign](leaf, limit) for sign, limit in pairs)


def _anything_but(operand: Any, leaf: object) -> bool:
    if isinstance(operand, dict):
        ((operator, inner),) = operand.items()
        holds = _OPERATORS[operator][1]
        return not any(holds(one, leaf) for one in (inner if isinstance(inner, list) else [inner]))
    return not any(_same(one, leaf) for one in (operand if isinstance(operand, list) else [operand]))


def _begins(operand: Any, leaf: object) -> bool:
    if isinstance(operand, dict):
        return isinstance(leaf, str) and leaf.lower().startswith(operand["equals-ignore-case"].lower())
    return isinstance(leaf, str) and leaf.startswith(operand)


def _ends(operand: Any, leaf: object) -> bool:
    if isinstance(operand, dict):
        return isinstance(leaf, str) and leaf.lower().endswith(operand["equals-ignore-case"].lower())
    return isinstance(leaf, str) and leaf.endswith(operand)


def _ignoring_case(operand: str, leaf: object) -> bool:
    return isinstance(leaf, str) and leaf.lower() == operand.lower()


def _like(operand: str, leaf: object) -> bool:
    """`*` stands for any characters; a backslash makes it, and itself, mean just that."""
    if not isinstance(leaf, str):
        return False
    first, *rest = _pieces(operand)
    if not rest:
        return leaf == first
    if not leaf.startswith(first):
        return False
    position = len(first)
    for piece in rest[:-1]:  # each as early as it goes, so that no text takes long
        found = leaf.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return leaf.endswith(rest[-1]) and len(leaf) - len(rest[-1]) >= position


@lru_cache(256)
def _pieces(text: str) -> tuple[str, ...]:
    pieces = [""]
    for part in re.findall(r"\\[*\\]|.", text, re.DOTALL):
        if part == "*":
            pieces.append("")
        else:
            pieces[-1] += part[-1]
    return tuple(pieces)


def _is_text(operand: object) -> bool:
    return isinstance(operand, str)


def _is_text_or_caseless(operand: object) -> bool:
    return _is_text(operand) or (
        isinstance(operand, dict)
        and list(operand) == ["equals-ignore-case"]
        and _is_text(operand["equals-ignore-case"])
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_comparison(operand: object) -> bool:
    if not isinstance(operand, list) or len(operand) not in (2, 4):
        return False
    signs, limits = operand[::2], operand[1::2]
    if not all(isinstance(sign, str) and sign in _COMPARED for sign in signs) or not all(map(_is_number, limits)):
        return False
    return len(signs) == 1 or (signs[0] in (">", ">=") and signs[1] in ("<", "<=") and limits[0] < limits[1])


def _is_excluded(operand: object) -> bool:
    if isinstance(operand, dict):
        if len(operand) != 1:
            return False
        ((operator, inner),) = operand.items()
        texts = inner if isinstance(inner, list) else [inner]
        return operator in _EXCLUDABLE and bool(texts) and all(map(_is_text, texts))
    several = operand if isinstance(operand, list) else [operand]
    return bool(several) and (all(map(_is_text, several)) or all(map(_is_number, several)))


_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_EXCLUDABLE = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_OPERATORS: dict[str, tuple[Callable[[object], bool], Callable[[Any, object], bool], str]] = {
    "anything-but": (_is_excluded, _anything_but, '"a", ["a", "b"], [1, 2] or {"prefix": "a"}'),
    "equals-ignore-case": (_is_text, _ignoring_case, '"text"'),
    "exists": (lambda operand: isinstance(operand, bool), lambda _, __: True, "true or false"),
    "numeric": (_is_comparison, _numeric, '["=", 5], ["<", 5] or [">", 0, "<=", 5]'),
    "prefix": (_is_text_or_caseless, _begins, '"text"'),
    "suffix": (_is_text_or_caseless, _ends, '"text"'),
    "wildcard": (_is_text, _like, '"te*t"'),
}


# ---- is it a pattern? ------------------------------------------------------------------------------------------------


def parse(text: str) -> dict[str, Any]:
    """The pattern that a text is; raises ValueError with what is wrong, and where."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"It is not JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise ValueError('It has to be a JSON object, such as {"body": {"kind": ["order"]}}.')
    _check(pattern, "the pattern", 0)
    return pattern


def _check(pattern: Mapping[str, Any], where: str, depth: int) -> None:
    if not pattern:
        raise ValueError(f"{where} is an empty object; name at least one field.")
    if depth > _DEEPEST:
        raise ValueError(f"It is more than {_DEEPEST} levels deep.")
    for name, rules in pattern.items():
        place = f'"{name}"'
        if _is_or(name, rules):
            for alternative in rules:
                _check(alternative, place, depth + 1)
        elif isinstance(rules, dict):
            _check(rules, place, depth + 1)
        elif isinstance(rules, list) and rules:
            for rule in rules:
                _check_rule(rule, place)
        else:
            raise ValueError(f"{place} has {json.dumps(rules)[:80]}; put what it may be in an array, such as [1, 2].")


def _check_rule(rule: object, place: str) -> None:
    if isinstance(rule, list):
        raise ValueError(f"{place} has an array in an array; list the values in one.")
    if not isinstance(rule, dict):
        return
    if len(rule) != 1:
        raise ValueError(f"{place} has {len(rule)} operators in one object; give each an object of its own.")
    ((operator, operand),) = rule.items()
    if operator not in _OPERATORS:
        raise ValueError(f'{place} has the unknown operator "{operator}"; there are {", ".join(_OPERATORS)}.')
    allowed, _, example = _OPERATORS[operator]
    if not allowed(operand):
        raise ValueError(f'{place}: "{operator}" takes {example}, not {json.dumps(operand)[:80]}.')


def _is_or(name: str, rules: object) -> bool:
    """Fewer than two alternatives, or others than objects, make `$or` the name of a field."""
    return (
        name == "$or" and isinstance(rules, list) and len(rules) > 1 and all(isinstance(rule, dict) for rule in rules)
    )
