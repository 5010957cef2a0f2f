"""The pattern language: each operator, how they are joined, and what is no pattern."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.patterns import matches, parse


@pytest.mark.parametrize(
    ("rules", "value", "expected"),
    [
        (["a"], "a", True),
        (["a"], "b", False),
        (["a", "b"], "b", True),
        ([1], 1, True),
        ([1], 1.0, False),  # compared as written
        ([1], True, False),
        ([True], True, True),
        ([None], None, True),
        ([None], "", False),
        ([""], "", True),
        (["a"], ["x", "a"], True),
        (["a"], [], False),
        ([{"prefix": "ab"}], "abc", True),
        ([{"prefix": "ab"}], "cab", False),
        ([{"prefix": "ab"}], 12, False),
        ([{"prefix": {"equals-ignore-case": "AB"}}], "abc", True),
        ([{"suffix": ".png"}], "a.png", True),
        ([{"suffix": ".png"}], "a.PNG", False),
        ([{"suffix": {"equals-ignore-case": ".png"}}], "a.PNG", True),
        ([{"equals-ignore-case": "AlIcE"}], "alice", True),
        ([{"anything-but": "a"}], "b", True),
        ([{"anything-but": ["a", "b"]}], "b", False),
        ([{"anything-but": [1, 2]}], 3, True),
        ([{"anything-but": {"prefix": "a"}}], "ab", False),
        ([{"anything-but": {"prefix": "a"}}], "ba", True),
        ([{"anything-but": {"suffix": ["a", "b"]}}], "xb", False),
        ([{"anything-but": {"equals-ignore-case": ["A"]}}], "a", False),
        ([{"anything-but": {"wildcard": "a*z"}}], "abz", False),
        ([{"numeric": ["=", 5]}], 5.0, True),
        ([{"numeric": [">", 0, "<=", 5]}], 5, True),
        ([{"numeric": [">", 0, "<=", 5]}], 0, False),
        ([{"numeric": ["<", 5]}], "4", False),
        ([{"numeric": ["<", 5]}], True, False),
        ([{"exists": True}], None, True),
        ([{"exists": True}], {"inner": 1}, False),  # of leaves alone
        ([{"exists": False}], 0, False),
        ([{"wildcard": "a*c"}], "abbbc", True),
        ([{"wildcard": "a*c*"}], "abd", False),
        ([{"wildcard": "aba*aba"}], "aba", False),
        ([{"wildcard": "*x"}], "a\nx", True),
        ([{"wildcard": r"a\*"}], "a*", True),
        ([{"wildcard": r"a\*"}], "ab", False),
        ([{"prefix": "z"}, "a"], "a", True),
    ],
)
def test_a_rule_holds_of_a_value(rules: list[Any], value: Any, expected: bool) -> None:
    pattern = parse(json.dumps({"field": rules}))
    assert matches(pattern, {"field": value, "other": 1}) is expected


def test_an_absent_field_is_found_only_by_its_absence() -> None:
    for rule, expected in (({"exists": False}, True), ({"exists": True}, False), ({"anything-but": "a"}, False)):
        assert matches({"field": [rule]}, {}) is expected
        assert matches({"object": {"field": [rule]}}, {}) is expected


def test_fields_are_joined_by_and_or_by_or() -> None:
    both = {"a": [1], "b": {"c": [2]}}
    assert matches(both, {"a": 1, "b": {"c": 2}})
    assert not matches(both, {"a": 1, "b": {"c": 3}})
    either = parse('{"x": [0], "$or": [{"a": [1]}, {"b": {"c": [2]}}]}')
    assert matches(either, {"x": 0, "b": {"c": 2}})
    assert not matches(either, {"x": 0, "a": 2})
    assert not matches(either, {"x": 1, "a": 1})


def test_the_fields_of_one_element_have_to_match_together() -> None:
    pattern = {"items": {"sku": ["a"], "count": [2]}}
    assert matches(pattern, {"items": [{"sku": "b", "count": 1}, {"sku": "a", "count": 2}]})
    assert not matches(pattern, {"items": [{"sku": "a", "count": 1}, {"sku": "b", "count": 2}]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "a JSON object"),
        ("{}", "empty object"),
        ('{"a": {}}', "empty object"),
        ('{"a": "b"}', "in an array"),
        ('{"a": []}', "in an array"),
        ('{"a": [["b"]]}', "array in an array"),
        ('{"a": [{"prefix": "x", "suffix": "y"}]}', "2 operators"),
        ('{"a": [{"starts": "x"}]}', "unknown operator"),
        ('{"a": [{"prefix": 1}]}', '"prefix" takes'),
        ('{"a": [{"exists": "true"}]}', '"exists" takes'),
        ('{"a": [{"numeric": ["<", 1, ">", 0]}]}', '"numeric" takes'),
        ('{"a": [{"numeric": ["<", true]}]}', '"numeric" takes'),
        ('{"a": [{"anything-but": []}]}', '"anything-but" takes'),
        ('{"a": [{"anything-but": ["a", 1]}]}', '"anything-but" takes'),
        ('{"a": [{"anything-but": {"numeric": ["<", 1]}}]}', '"anything-but" takes'),
        ('{"$or": [{"a": [1]}, {"b": 1}]}', "in an array"),
        ('{"a":' * 200 + "[1]" + "}" * 200, "levels deep"),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_to_change(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def pattern_of(value: Any) -> Any:
    """The pattern that asks for exactly the leaves of a value; None where there is none to ask for."""
    if isinstance(value, dict):
        fields = {name: rules for name, inner in value.items() if (rules := pattern_of(inner)) and name != "$or"}
        return fields or None
    if isinstance(value, list):
        return None
    return [value]


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), VALUES)
def test_what_is_made_of_a_value_matches_it_and_nothing_breaks_on_any_other(value: dict[str, Any], other: Any) -> None:
    pattern = pattern_of(value)
    if pattern is not None:
        assert parse(json.dumps(pattern))
        assert matches(pattern, value)
        assert matches(pattern, other) in (True, False)


@settings(deadline=None, max_examples=60)
@given(st.text("ab*\\", max_size=8), st.text("ab*", max_size=8))
def test_a_wildcard_is_its_pieces_in_order(text: str, value: str) -> None:
    escaped = value.replace("*", "\\*")
    assert matches({"f": [{"wildcard": escaped}]}, {"f": value})
    assert matches({"f": [{"wildcard": "*" + escaped + "*"}]}, {"f": text + value + text})


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_anything_that_is_json_is_a_pattern_or_refused(value: Any) -> None:
    try:
        pattern = parse(json.dumps(value))
    except ValueError:
        return
    assert matches(pattern, value) in (True, False)


def test_a_value_may_be_nested_as_deep_as_json_can_be_read() -> None:
    assert matches({"a": ["x"]}, {"a": json.loads("[" * 900 + '"x"' + "]" * 900)})
